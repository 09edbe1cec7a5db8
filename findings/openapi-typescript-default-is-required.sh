#!/usr/bin/env bash
# openapi-typescript 7.13.0 (npm): an optional member of a request body that has a `default` becomes a required one of the type, so a
# caller has to send what the server would have filled in. `required` does not name it, and without `default` it is optional. There is
# a switch, --default-non-nullable=false; its own default is this.
#
# Seen:
#   with default: mode: "a" | "b";
#   without: other?: "a" | "b";
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{"private":true}' > package.json
npm install --silent --no-audit --no-fund openapi-typescript@7.13.0 typescript@5.9.3
cat > openapi.json <<'J'
{"openapi":"3.1.0","info":{"title":"x","version":"1"},
 "paths":{"/x":{"post":{"requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Body"}}}},"responses":{"204":{"description":"done"}}}}},
 "components":{"schemas":{"Body":{"type":"object","properties":{
  "mode":{"type":"string","enum":["a","b"],"default":"a"},"other":{"type":"string","enum":["a","b"]}}}}}}
J
node node_modules/openapi-typescript/bin/cli.js openapi.json -o schema.d.ts > /dev/null 2>&1
said=$(grep -E '^ *mode\??:' schema.d.ts | sed 's/^ */with default: /'; grep -E '^ *other\??:' schema.d.ts | sed 's/^ */without: /')
echo "$said"
diff <(echo "$said") - <<'E2'
with default: mode: "a" | "b";
without: other?: "a" | "b";
E2
