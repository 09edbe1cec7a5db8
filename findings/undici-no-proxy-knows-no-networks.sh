#!/usr/bin/env bash
# undici 8.13.1 (npm): EnvHttpProxyAgent compares what NO_PROXY names with the host as texts. A network (10.0.0.0/8), as curl, Go and every
# documentation of a proxy have it, is taken for a name that nothing has, so an address in it is asked for at the proxy.
# Seen with Node 24.21, a proxy on 127.0.0.1 and a server on 127.0.0.2:
#   127.0.0.2       straight
#   127.0.0.0/8     proxy
# What follows: runtime/outwardAgent.ts goes past the proxy for addresses in such networks by itself.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund undici@8.13.1
cat >look.mjs <<'JS'
import { createServer } from 'node:http';
import { EnvHttpProxyAgent, fetch } from 'undici';
const listen = (says, host) =>
  new Promise((resolve) => {
    const server = createServer((_, response) => response.end(says)).listen(0, host, () => resolve(server));
  });
const [proxy, server] = [await listen('proxy', '127.0.0.1'), await listen('straight', '127.0.0.2')];
const httpProxy = `http://127.0.0.1:${proxy.address().port}`;
for (const noProxy of ['127.0.0.2', '127.0.0.0/8']) {
  const dispatcher = new EnvHttpProxyAgent({ httpProxy, noProxy, proxyTunnel: false });
  const answer = await fetch(`http://127.0.0.2:${server.address().port}/`, { dispatcher });
  console.log(`${noProxy}\t${await answer.text()}`);
  await dispatcher.close();
}
proxy.close();
server.close();
JS
seen=$(node look.mjs)
expected=$'127.0.0.2\tstraight\n127.0.0.0/8\tproxy'
echo "$seen"
[ "$seen" = "$expected" ] || { echo "it has changed: expected"; echo "$expected"; exit 1; }
