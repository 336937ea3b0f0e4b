#!/usr/bin/env bash
# Fails when a contract breaks a rule, breaks its clients, or when what follows from it is not committed.
# CONTRACTS_BASE names the commit whose clients must go on working; the parent of HEAD by default.
# A changed path, rule or scope is no break to buf: it shows as a change of openapi.json.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
derived=(libs/contracts/gen proto/image.binpb services/gateway/openapi.json)

npx buf lint
cp -r --parents "${derived[@]}" "$work"
proto/generate.sh
for path in "${derived[@]}"; do
  diff -rq "$work/$path" "$path" || { echo "$path does not follow from proto/: run npm run contracts:generate and commit it" >&2; exit 1; }
done

base=${CONTRACTS_BASE:-HEAD~1}
if git show "$base:proto/image.binpb" > "$work/base.binpb" 2> /dev/null; then
  npx buf breaking proto/image.binpb --against "$work/base.binpb" --config '{"version":"v2","breaking":{"use":["FILE"]}}'
else
  echo "$base has no proto/image.binpb: nothing to compare with"
fi
