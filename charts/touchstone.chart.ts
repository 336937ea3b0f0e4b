import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const chart = new URL('touchstone', import.meta.url).pathname;
const valueFiles = readdirSync(`${chart}/ci`);
const kubernetesVersion = '1.34';

/** Those of values.yaml. */
const services = Object.keys(parse(readFileSync(new URL('touchstone/values.yaml', import.meta.url), 'utf8')).services).sort();

/** Rendered YAML is what a cluster gets; its shape is the Kubernetes API's, checked by kubernetes-validate below. */
type Resource = any;

const run = promisify(execFile);
const template = async (...values: string[]) => (await run('helm', ['template', 'touchstone', chart, ...values])).stdout;
const render = async (...values: string[]): Promise<Resource[]> => parseAllDocuments(await template(...values)).map((document) => document.toJS());
const ofKind = (kind: string, resources: Resource[]) => resources.filter((resource) => resource.kind === kind);
const named = (name: string, resources: Resource[]) => resources.find(({ metadata }) => metadata.name === `touchstone-${name}`);
const environment = (container: Resource) => Object.fromEntries((container.env ?? []).map(({ name, ...rest }: Resource) => [name, rest.value ?? rest.valueFrom]));

it('passes helm lint --strict', async () => {
  const { stdout } = await run('helm', ['lint', '--strict', chart]);
  expect(stdout).toContain('0 chart(s) failed');
});

describe.each(valueFiles)('with ci/%s', async (file) => {
  const values = ['-f', `${chart}/ci/${file}`];
  const resources = await render(...values);
  const deployments = ofKind('Deployment', resources);
  const pods = [...deployments, ...ofKind('Job', resources)].map(({ spec }) => spec.template.spec);
  const containers = pods.flatMap(({ containers, initContainers = [] }) => [...initContainers, ...containers]);

  it(`is what Kubernetes ${kubernetesVersion} takes, field by field`, async () => {
    const validated = run('kubernetes-validate', ['-k', kubernetesVersion, '--strict', '-']);
    validated.child.stdin!.end(await template(...values));
    await expect(validated).resolves.toBeDefined();
  });

  it('runs a Deployment for each service, with a stable address', () => {
    expect(deployments.map(({ metadata }) => metadata.name).toSorted()).toEqual(services.map((name) => `touchstone-${name}`));
    expect(named('gateway', ofKind('Service', resources)).spec.ports).toEqual([{ name: 'http', port: 80, targetPort: 8080 }]);
    expect(named('retrieval', ofKind('Service', resources)).spec).toMatchObject({ clusterIP: 'None', ports: [{ name: 'grpc', port: 9090 }] });
  });

  it('gives no pod more rights than it needs', () => {
    for (const pod of pods) {
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 10001, seccompProfile: { type: 'RuntimeDefault' } });
      expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      expect(pod.hostNetwork ?? pod.hostPID ?? pod.hostIPC).toBeUndefined();
      expect((pod.volumes ?? []).filter((volume: Resource) => volume.hostPath)).toEqual([]);
    }
    for (const { securityContext } of containers) {
      expect(securityContext).toEqual({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
    }
  });

  it('bounds what each container takes', () => {
    for (const { resources: { requests, limits } } of containers) {
      expect(requests).toMatchObject({ cpu: expect.any(String), memory: expect.any(String) });
      expect(limits).toMatchObject({ memory: expect.any(String) });
    }
  });

  it('names the version of its image', () => {
    for (const { image } of containers) expect(image).toMatch(/:(?!latest$)[\w.-]+$/);
  });

  it('probes each service where it answers', () => {
    for (const { metadata, spec } of deployments) {
      const [container] = spec.template.spec.containers;
      const own = environment(container);
      const port = Number(own.TOUCHSTONE_HEALTH_PORT ?? own.TOUCHSTONE_PORT);
      expect(container.ports.map(({ containerPort }: Resource) => containerPort), metadata.name).toContain(port);
      expect(container.startupProbe.httpGet).toEqual({ path: '/livez', port });
      expect(container.livenessProbe.httpGet).toEqual({ path: '/livez', port });
      expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port });
    }
  });

  it('spreads replicas over nodes and keeps one while nodes are drained', () => {
    for (const { metadata, spec } of deployments) {
      expect(spec.template.spec.topologySpreadConstraints[0].labelSelector, metadata.name).toEqual(spec.selector);
      const budget = ofKind('PodDisruptionBudget', resources).find((candidate) => candidate.metadata.name === metadata.name);
      expect(budget?.spec, metadata.name).toEqual(spec.replicas > 1 ? { maxUnavailable: 1, selector: spec.selector } : undefined);
    }
  });

  it('selects by each selector the pods of its own service, and nothing of another release', () => {
    for (const { metadata, spec } of deployments) {
      const { labels } = spec.template.metadata;
      expect(labels).toMatchObject(spec.selector.matchLabels);
      expect(spec.selector.matchLabels).toHaveProperty(['app.kubernetes.io/instance'], 'touchstone');
      for (const kind of ['Service', 'NetworkPolicy']) {
        const other = ofKind(kind, resources).find((candidate) => candidate.metadata.name === metadata.name).spec;
        expect(other.podSelector?.matchLabels ?? other.selector).toEqual(spec.selector.matchLabels);
      }
    }
  });

  it('lets only pods of this release call a service behind the gateway', () => {
    const { ingress } = named('retrieval', ofKind('NetworkPolicy', resources)).spec;
    expect(ingress[0]).toEqual({ ports: [{ port: 9090 }], from: [{ podSelector: { matchLabels: { 'app.kubernetes.io/instance': 'touchstone' } } }] });
  });

  it('lets them, and nobody else, call the gateway’s own contracts', () => {
    const { ingress } = named('gateway', ofKind('NetworkPolicy', resources)).spec;
    expect(ingress.filter(({ ports }: { ports: { port: number }[] }) => ports[0].port === 9090)).toEqual([
      { ports: [{ port: 9090 }], from: [{ podSelector: { matchLabels: { 'app.kubernetes.io/instance': 'touchstone' } } }] },
    ]);
    const [config] = ofKind('ConfigMap', resources);
    expect(config.data.TOUCHSTONE_GATEWAY_URL).toBe('touchstone-gateway-grpc:9090');
    expect(ofKind('Service', resources).find(({ metadata }) => metadata.name === 'touchstone-gateway-grpc').spec).toMatchObject({ clusterIP: 'None', ports: [{ port: 9090 }] });
  });

  it('gives all gateways the claim of blobs, when there is one', () => {
    const { volumes } = named('gateway', deployments).spec.template.spec;
    const claims = volumes.filter(({ name }: { name: string }) => name === 'blobs');
    expect(claims).toEqual(file === 'triton.yaml' ? [{ name: 'blobs', persistentVolumeClaim: { claimName: 'touchstone-blobs' } }] : []);
  });

  it('shows figures at the health port, only to whom metrics.from names', () => {
    const monitoring = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } };
    for (const { metadata, spec } of deployments) {
      expect(spec.template.metadata.annotations).toMatchObject({ 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8081', 'prometheus.io/path': '/metrics' });
      expect(environment(spec.template.spec.containers[0])).toMatchObject({ TOUCHSTONE_HEALTH_PORT: '8081', TOUCHSTONE_HOST: '0.0.0.0' });
      const { ingress } = ofKind('NetworkPolicy', resources).find((candidate) => candidate.metadata.name === metadata.name).spec;
      expect(ingress.filter(({ ports }: { ports: { port: number }[] }) => ports[0].port === 8081)).toEqual(file === 'triton.yaml' ? [{ ports: [{ port: 8081 }], from: [monitoring] }] : []);
    }
  });

  it('keeps passwords and keys in secrets, and gives each service its own only', () => {
    const [gateway] = named('gateway', deployments).spec.template.spec.containers;
    expect(environment(gateway)).toMatchObject({
      TOUCHSTONE_GATEWAY_DATABASE_URL: { secretKeyRef: { name: 'touchstone-databases', key: 'gateway' } },
      TOUCHSTONE_GATEWAY_SYSTEM_DATABASE_URL: { secretKeyRef: { name: 'touchstone-databases', key: 'gateway-system' } },
    });
    expect(environment(gateway)).not.toHaveProperty('TOUCHSTONE_RETRIEVAL_DATABASE_URL');
    const keyOf = (name: string) => named(name, deployments).spec.template.spec.volumes.find((volume: Resource) => volume.name === 'token-key').secret.items;
    expect(keyOf('gateway')).toEqual([{ key: 'private.pem', path: 'private.pem' }]);
    expect(keyOf('retrieval')).toEqual([{ key: 'public.pem', path: 'public.pem' }]);
    expect(JSON.stringify(ofKind('ConfigMap', resources))).not.toMatch(/postgres(ql)?:|PRIVATE KEY/);
  });

  it('migrates before the pods of a release start', () => {
    const [job] = ofKind('Job', resources);
    expect(job.metadata.annotations['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    expect(job.spec.template.spec.containers[0].args).toEqual(['migrate']);
    expect(Object.keys(environment(job.spec.template.spec.containers[0]))).toHaveLength(1 + 2 * deployments.length);
  });
});

it('sets no variable that the program does not read', async () => {
  const program = await readFile(new URL('../apps/touchstone/src/configuration.ts', import.meta.url), 'utf8');
  const ofServices = (program.match(/(?<=TOUCHSTONE_\$\{name\.toUpperCase\(\)\})[A-Z_]+/g) ?? []).flatMap((suffix) => services.map((name) => `TOUCHSTONE_${name.toUpperCase()}${suffix}`));
  const known = new Set([...program.match(/TOUCHSTONE_[A-Z_]+(?=:)/g)!, ...ofServices]);
  const set = (await template()).match(/\bTOUCHSTONE_[A-Z_]+\b/g)!;
  expect([...new Set(set)].filter((name) => !known.has(name))).toEqual([]);
});

it('starts pods anew when their configuration changes, and only then', async () => {
  const checksums = async (...values: string[]) =>
    ofKind('Deployment', await render(...values)).map(({ spec }) => spec.template.metadata.annotations['checksum/config']);
  const before = await checksums();
  expect(new Set(before).size).toBe(1);
  expect(await checksums('--set', 'services.gateway.replicas=5')).toEqual(before);
  expect(await checksums('--set', 'config.TOUCHSTONE_SCAN_WORKERS=3')).not.toEqual(before);
});

it.each([
  ['services.gateway.replicas=0', /replicas': minimum: got 0, want 1/],
  ['services.gateway.replicas=two', /replicas': got string, want integer/],
  ['services.judging.replicas=1', /value must be one of 'gateway', /],
  ['services.gateway.port=1', /additional properties 'port' not allowed/],
  ['image.tag=latest', /image\.tag: latest names no version/],
  ['image.repository=Not An Image', /repository': .* does not match pattern/],
  ['retrieval.milvus=http://milvus:19530', /retrieval\/milvus': .* does not match pattern/],
  ['blobs.s3.url=my-bucket', /blobs\/s3\/url': .* does not match pattern/],
  ['blobs.claim=blobs,blobs.s3.url=https://s3.example.org/blobs', /blobs: expected a claim or a bucket/],
  ['models.url=http://triton:8001', /models\/url': .* does not match pattern/],
  ['models.url=triton:8001', /models\.claim: expected the claim that holds the tokenizers/],
  ['config.PATH=/bin', /'PATH' does not match pattern/],
  ['defaults.resources.limits.memory=lots', /memory': 'lots' does not match pattern/],
  ['secrets.databases=', /databases': '' does not match pattern/],
])('refuses %s in words', async (value, words) => {
  await expect(template('--set', value)).rejects.toThrow(words);
});
