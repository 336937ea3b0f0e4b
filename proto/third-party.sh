#!/usr/bin/env bash
# Lays third_party/ from packages, for whoever changes a contract; nobody else needs it, the generated code is committed.
# Needs npm, Maven and unzip. When a download fails, run it again: finished parts stay.
set -euo pipefail
cd "$(dirname "$0")/.."
target=third_party
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

from_npm() { # package@version, then the files below package/
  local archive
  archive=$(npm pack --silent --pack-destination "$work" "$1")
  tar -xzf "$work/$archive" -C "$work"
}

mkdir -p "$target"
if [ ! -f "$target/google/api/http.proto" ]; then
  from_npm google-proto-files@5.0.3
  mkdir -p "$target/google/api" "$target/google/rpc"
  cp "$work"/package/google/api/{annotations,http,httpbody}.proto "$target/google/api/"
  cp "$work"/package/google/rpc/{status,error_details}.proto "$target/google/rpc/"
  rm -rf "$work/package"
fi

if [ ! -f "$target/buf/validate/validate.proto" ]; then
  mvn -q dependency:copy -Dartifact=build.buf:protovalidate:1.3.0 -DoutputDirectory="$work/jar"
  unzip -q -o "$work"/jar/protovalidate-1.3.0.jar 'buf/validate/validate.proto' -d "$target"
fi
