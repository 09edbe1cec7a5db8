#!/usr/bin/env bash
# croner 11.0.1 (npm): on the night when clocks go forward, a job at a time that is left out runs at the change; but as soon as the pattern
# names several minutes of the hour that is left out, it does not run that night at all. Europe/Berlin, 28 March 2027, 02:00 → 03:00.
# Seen with Node 20.20 and 24.21, the first run after noon of the 27th:
#   30 2 * * *      2027-03-28T01:00:00.000Z   (03:00 on the wall: at the change)
#   0,30 2 * * *    2027-03-29T00:00:00.000Z   (the next night: the 28th has none)
#   */15 2 * * *    2027-03-29T00:00:00.000Z
# What follows: windows are computed in wall time here and led through the change by operator/licenceServer/decide/wallClock.ts.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund croner@11.0.1
cat >look.mjs <<'JS'
import { Cron } from 'croner';
const next = (pattern) =>
  new Cron(pattern, { timezone: 'Europe/Berlin', paused: true }).nextRun(new Date('2027-03-27T12:00:00Z')).toISOString();
for (const pattern of ['30 2 * * *', '0,30 2 * * *', '*/15 2 * * *']) console.log(`${pattern}\t${next(pattern)}`);
JS
seen=$(node look.mjs)
expected=$'30 2 * * *\t2027-03-28T01:00:00.000Z\n0,30 2 * * *\t2027-03-29T00:00:00.000Z\n*/15 2 * * *\t2027-03-29T00:00:00.000Z'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: expected"; echo "$expected"; exit 1; }
