import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { LicenceClient, type Seat } from '../../client/licenceClient.ts';

// `npm run bench:client`: what it costs a program to hold 1,000 seats, in processor time of its own. The server is a process beside it
// that answers at once, and asks for heartbeats as the real one does with leases of two minutes: every 40 s, with jitter.

const [leases, everySeconds, windowSeconds, mostPercent] = [1_000, 40, 80, 0.5];

if (process.argv[2] === 'server') {
  const server = createServer((request, response) => {
    request.resume();
    const heartbeatAfterSeconds = Math.round(everySeconds * (0.9 + Math.random() * 0.2));
    const renewed = { expiresAt: new Date(Date.now() + everySeconds * 3_000).toISOString(), heartbeatAfterSeconds };
    const more = { seats: { limit: leases, inUse: leases }, support: { state: 'valid' }, features: [] };
    const isCheckOut = request.url === '/v1/checkouts';
    const body = JSON.stringify(isCheckOut ? { leaseId: crypto.randomUUID(), ...more, ...renewed } : renewed);
    request.on('end', () =>
      response.writeHead(isCheckOut ? 201 : 200, { 'content-type': 'application/json' }).end(body),
    );
  });
  server.keepAliveTimeout = 72_000; // as ours
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
} else {
  const server = fork(import.meta.filename, ['server']);
  const port = await new Promise<number>((resolve) => server.once('message', (sent) => resolve(Number(sent))));
  const client = new LicenceClient({ url: `http://127.0.0.1:${port}` });
  let troubles = 0;
  const events = { onTrouble: () => (troubles += 1), onLost: () => (troubles += 1) };
  const seats: Seat[] = [];
  for (let i = 0; i < leases; i++) {
    const holder = { base: 'trade', user: `user-${i}`, host: 'pc-1', session: String(i) };
    seats.push(await client.hold({ product: 'erp', holder }, events));
    await delay(everySeconds); // spread over 40 s, as people come
  }
  const before = process.cpuUsage();
  const began = performance.now();
  const renewedUntil = seats.map((seat) => seat.grant.expiresAt);
  await delay(windowSeconds * 1_000);
  const used = process.cpuUsage(before);
  const percent = (used.user + used.system) / 10 / (performance.now() - began);
  const renewed = seats.filter((seat, i) => seat.grant.expiresAt !== renewedUntil[i]).length;
  console.log(`${leases} seats, ${renewed} of them renewed in ${windowSeconds} s, ${troubles} troubles`);
  console.log(`${percent.toFixed(2)} % of a core; at most ${mostPercent} %`);
  server.disconnect();
  process.exitCode = percent <= mostPercent && renewed === leases && troubles === 0 ? 0 : 1;
}
