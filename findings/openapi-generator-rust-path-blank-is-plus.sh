#!/usr/bin/env bash
# openapi-generator 7.25.0 (Maven), generator rust: a blank in a path parameter goes out as "+", which in a path is a plus and no blank
# (RFC 3986): another resource is asked for. Its urlencode is the one of forms. And the enumeration of an operation's errors is
# untagged: the variant is the first that the body fits, whatever the status, so a 401 comes as Status409.
#
# Seen:
#   ::url::form_urlencoded::byte_serialize(s.as_ref().as_bytes()).collect()
#   #[serde(untagged)] pub enum GetXError { Status409(models::Refusal), Status4XX(models::Problem),
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy \
  -Dartifact=org.openapitools:openapi-generator-cli:7.25.0 -DoutputDirectory="$dir"
cat > openapi.json <<'J'
{"openapi":"3.0.3","info":{"title":"x","version":"1"},"paths":{"/x/{name}":{"get":{"operationId":"getX",
 "parameters":[{"name":"name","in":"path","required":true,"schema":{"type":"string"}}],
 "responses":{"204":{"description":"done"},
  "409":{"description":"refused","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Refusal"}}}},
  "4XX":{"description":"refused","content":{"application/json":{"schema":{"$ref":"#/components/schemas/Problem"}}}}}}}},
 "components":{"schemas":{
  "Problem":{"type":"object","properties":{"reason":{"type":"string"}}},
  "Refusal":{"type":"object","properties":{"reason":{"type":"string"},"seats":{"type":"integer"}}}}}}
J
java -jar openapi-generator-cli-7.25.0.jar generate -g rust --library reqwest -i openapi.json -o out > log 2>&1
said=$(
  grep -A1 'pub fn urlencode' out/src/apis/mod.rs | tail -1 | sed 's/^ *//'
  grep -B1 -A2 'pub enum GetXError' out/src/apis/*_api.rs | tr -s ' \n' ' ' | sed 's/ $//'
)
echo "$said"
diff <(echo "$said") - <<'E2'
::url::form_urlencoded::byte_serialize(s.as_ref().as_bytes()).collect()
#[serde(untagged)] pub enum GetXError { Status409(models::Refusal), Status4XX(models::Problem),
E2
