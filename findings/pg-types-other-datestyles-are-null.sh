#!/usr/bin/env bash
# pg-types 2.2.0 (npm; what node-postgres 8.23.1 reads values with): a timestamp in any DateStyle but ISO is handed over as null, as if the
# column were NULL: no error, no text. DateStyle is a setting of a server, a database or a role (ALTER DATABASE … SET datestyle = 'German'), so a
# program that never touches it meets this. Seen with Node 20.20 and 24.21, type 1184 (timestamptz):
#   ISO      2026-11-30 20:49:49.123+00      2026-11-30T20:49:49.123Z
#   German   30.11.2026 20:49:49.123 UTC     null
#   SQL,DMY  30/11/2026 20:49:49.123 UTC     null
# What follows: every session sets DateStyle here (runtime/database/session.ts).
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund pg-types@2.2.0
cat >look.cjs <<'JS'
const read = require('pg-types').getTypeParser(1184, 'text');
for (const text of ['2026-11-30 20:49:49.123+00', '30.11.2026 20:49:49.123 UTC', '30/11/2026 20:49:49.123 UTC']) {
  const value = read(text);
  console.log(`${text}\t${value === null ? 'null' : value.toISOString()}`);
}
JS
seen=$(node look.cjs)
expected=$'2026-11-30 20:49:49.123+00\t2026-11-30T20:49:49.123Z\n30.11.2026 20:49:49.123 UTC\tnull\n30/11/2026 20:49:49.123 UTC\tnull'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: expected"; echo "$expected"; exit 1; }
