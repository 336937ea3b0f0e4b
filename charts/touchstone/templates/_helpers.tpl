{{- define "touchstone.image" -}}
{{- $tag := .Values.image.tag | default .Chart.AppVersion -}}
{{- if eq $tag "latest" }}{{ fail "image.tag: latest names no version; give the version that you tested" }}{{ end -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end }}

{{- define "touchstone.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Settings of all services: where each is found, where the models are, and what the operator adds. */}}
{{- define "touchstone.config" -}}
{{- range $name, $own := .Values.services }}
TOUCHSTONE_{{ upper $name }}_URL: {{ printf "%s-%s%s:9090" $.Release.Name $name (ternary "-grpc" "" (dig "isPublic" $.Values.defaults.isPublic $own)) | quote }}
{{- end }}
TOUCHSTONE_DATA_DIR: /var/lib/touchstone
TOUCHSTONE_MODELS_DIR: /var/lib/touchstone/models
{{- with .Values.models.url }}
TOUCHSTONE_MODELS_URL: {{ . | quote }}
{{- end }}
{{- with .Values.retrieval.milvus }}
TOUCHSTONE_RETRIEVAL_INDEX: milvus
TOUCHSTONE_MILVUS_ADDRESS: {{ . | quote }}
{{- end }}
{{- range $name, $value := .Values.config }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Both database URLs of one service. Call with (list $ $name). */}}
{{- define "touchstone.databaseEnvironment" -}}
{{- $secret := (index . 0).Values.secrets.databases }}{{ $name := index . 1 -}}
- name: TOUCHSTONE_{{ upper $name }}_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $name }}}}
- name: TOUCHSTONE_{{ upper $name }}_SYSTEM_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $name }}-system}}
{{- end }}

{{- define "touchstone.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false # else Kubernetes sets TOUCHSTONE_*_PORT=tcp://…
securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
{{- end }}

{{- define "touchstone.containerSecurity" -}}
securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
{{- end }}
