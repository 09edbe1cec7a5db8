// Runs in a pod: clients, each with a connection that it keeps, take their seats again and again until the file /tmp/stop is
// there. Prints counts as one line of JSON. No request is repeated: each failure counts.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';

const clients = 12;
const { SERVER } = process.env;
const headers = {
  authorization: `Bearer ${readFileSync('/tokens/client/token', 'utf8').trim()}`,
  'content-type': 'application/json',
};
rmSync('/tmp/stop', { force: true });
const counts = { requests: 0, connections: 0, failed: {} };
const until = Date.now() + 240_000;
const over = () => Date.now() > until || existsSync('/tmp/stop');

const checkOut = (agent, body, sockets) =>
  new Promise((resolve) => {
    const sent = request(`${SERVER}/v1/checkouts`, { method: 'POST', agent, headers, timeout: 30_000 }, (answer) => {
      answer.resume();
      answer.on('error', (error) => resolve(error.code));
      answer.on('end', () => resolve(answer.statusCode < 300 ? undefined : String(answer.statusCode)));
    });
    sent.on('socket', (socket) => {
      if (sockets.has(socket)) return;
      sockets.add(socket);
      counts.connections += 1;
    });
    sent.on('timeout', () => sent.destroy(Object.assign(new Error('no answer'), { code: 'NO_ANSWER' })));
    sent.on('error', (error) => resolve(error.code ?? error.message));
    sent.end(body);
  });

await Promise.all(
  Array.from({ length: clients }, async (_, i) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: readFileSync('/ca/ca.crt') });
    const body = JSON.stringify({
      product: 'erp',
      holder: { base: 'load', user: `user-${i}`, host: 'pod', session: '' },
    });
    const sockets = new WeakSet();
    while (!over()) {
      const fault = await checkOut(agent, body, sockets);
      counts.requests += 1;
      if (fault !== undefined) counts.failed[fault] = (counts.failed[fault] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    agent.destroy();
  }),
);
console.log(JSON.stringify(counts));
process.exit(0);
