#!/usr/bin/env bash
# Writes everything that follows from proto/: generated code, the image with its comments, openapi.json.
# Needs third_party/ (`npm run contracts:deps`).
set -euo pipefail
cd "$(dirname "$0")/.."
[ -f third_party/buf/validate/validate.proto ] || { echo "third_party/ is missing: run npm run contracts:deps" >&2; exit 1; }
image=$(mktemp --suffix=.binpb)
trap 'rm -f "$image"' EXIT

npx buf generate
npx buf build --path proto/touchstone -o "$image"
npx node --conditions=@touchstone/source --import ./source.mjs services/gateway/src/openapi/generate.ts "$image"
