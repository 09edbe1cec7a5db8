import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { rssMib } from '../processUse.ts';
import { installBundle, type Ours, ourComputer } from './contestants.ts';
import { runLoad } from './measure.ts';

// `npm run bench:simulate`: a year of events is played beside a server that serves: how long it takes, what it takes of the memory, and what becomes of
// the 99th percentile of heartbeats meanwhile.

const options = new Command('bench:simulate')
  .option('--days <n>', 'days of history', '365')
  .option('--people <n>', 'people who come once or twice on each day', '10000')
  .option('--seconds <n>', 'length of each measurement of the load', '10')
  .option('--no-build', 'takes the bundle in dist/server as it is')
  .parse()
  .opts<{ days: string; people: string; seconds: string; build: boolean }>();
const [days, people, seconds] = [options.days, options.people, options.seconds].map(Number) as [number, number, number];
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

/** Everybody comes in the morning and stays for hours, a third of them once more in the afternoon. */
async function fillHistory({ fixture }: Ours): Promise<number> {
  for (let day = days; day >= 1; day--) {
    await fixture.query(
      `INSERT INTO event SELECT e.at, 1, e.code::"char", e.id, e.holder FROM (
         SELECT d.day + x.hour * interval '1 h' + (n * 7919 % 5400) * interval '1 s' AS at, x.code, gen_random_uuid() AS id,
                concat_ws(chr(31), 'base' || n % 100, 'user-' || n, 'pc-' || n, '') AS holder
           FROM (SELECT date_trunc('day', now()) - $1::int * interval '1 day' AS day) d, generate_series(1, $2::int) n,
                (VALUES (8, 'G', 1), (11, 'X', 1), (14, 'G', 3), (16, 'X', 3)) x(hour, code, every) WHERE (n + $1) % x.every = 0) e ORDER BY e.at`,
      [day, people],
    );
    if (day % 50 === 0) say(`${day} days are left to be written`);
  }
  await fixture.query('VACUUM ANALYZE event');
  return Number((await fixture.query('SELECT count(*) AS n FROM event'))[0]?.n);
}

interface Played {
  readonly seconds: number;
  readonly events: number;
  readonly needed: number;
}

function simulate(server: Ours): Promise<Played> {
  const from = performance.now();
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' };
    const asked = request({ port: server.port, method: 'POST', path: '/v1/rules:simulate', headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => {
        const last = JSON.parse(text.trim().split('\n').at(-1) ?? '{}');
        if (last.result === undefined) reject(new Error(text.slice(-500)));
        else
          resolve({
            seconds: (performance.now() - from) / 1_000,
            events: last.result.events,
            needed: last.result.needed,
          });
      });
      answer.on('error', reject);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify({ product: 'erp', days, seats: Math.round(people * 0.7) }));
  });
}

const dir = mkdtempSync(join(tmpdir(), 'bench-simulate-'));
let server: Ours | undefined;
let remove = async () => {};
try {
  const computer = await ourComputer('ours', dir, installBundle(dir, options.build), []);
  remove = async () => computer.remove();
  server = await computer.start();
  const { port, token, pid, fixture } = server;
  const leaseFile = await fixture.fill(10_000, false, true);
  say(`writing ${days} days of ${people} people`);
  const events = await fillHistory(server);
  const load = () => runLoad({ port, token, kind: 'heartbeat', connections: 4, seconds, leaseFile, items: 1 });
  say(`${events} events; heartbeats alone`);
  const alone = await load();
  const before = rssMib(pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, rssMib(pid));
  }, 200);
  say('heartbeats beside a simulation');
  const playing = simulate(server);
  const beside = await load();
  const played = await playing;
  clearInterval(timer);
  process.stdout.write(
    [
      `${played.events} events of ${days} days in ${played.seconds.toFixed(1)} s (goal 60 s); ${played.needed} seats would have been enough`,
      `memory of the server: ${before} MiB, ${most} MiB meanwhile: ${(most - before).toFixed(0)} MiB more (goal 300)`,
      `heartbeats, 4 connections: p99 ${alone.p99Ms} ms alone, ${beside.p99Ms} ms beside it: × ${(beside.p99Ms / alone.p99Ms).toFixed(2)} (goal 1.25); ${alone.perSecond}/s and ${beside.perSecond}/s`,
      '',
    ].join('\n'),
  );
} finally {
  await server?.stop();
  await remove();
  rmSync(dir, { recursive: true, force: true });
}
