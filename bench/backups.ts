import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Command } from 'commander';
import pg from 'pg';
import { Pool } from 'undici';
import { startPostgres } from '../cluster/postgres.ts';
import { createComputer, ServerProcess } from '../test/db/server/support/serverProcess.ts';

// `npm run bench:backups`: what backups do to check-outs. So many servers, each with a ledger of its own in one PostgreSQL, all make
// a backup into one folder in each round; the check-outs of one of them are timed in rounds without and with it, in turn.

const { servers, events, rounds, seconds } = new Command('bench/backups.ts')
  .option('--servers <n>', 'servers that make a backup at one time', Number, 100)
  .option('--events <n>', 'rows in each ledger', Number, 50_000)
  .option('--rounds <n>', 'rounds of each kind', Number, 3)
  .option('--seconds <n>', 'length of a round; all begin within a minute', Number, 60)
  .parse()
  .opts<{ servers: number; events: number; rounds: number; seconds: number }>();

const dir = mkdtempSync(join(tmpdir(), 'bench-backups-'));
const backups = join(dir, 'backups');
mkdirSync(backups);
const postgres = await startPostgres({ max_connections: String(20 * servers + 20) });
const running: ServerProcess[] = [];
const computers: Awaited<ReturnType<typeof createComputer>>[] = [];

async function databaseOf(n: number): Promise<string> {
  const admin = new pg.Client({ connectionString: postgres.adminUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE bench_${n}`).finally(() => admin.end());
  const url = new URL(postgres.adminUrl);
  url.pathname = `/bench_${n}`;
  return url.href;
}

async function fill(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const sql = `INSERT INTO event (at, pool_id, code, lease_id, holder)
    SELECT now(), 1, 'c', gen_random_uuid(), md5(n::text) FROM generate_series(1, ${events}) n`;
  await client.query(sql);
  await client.end();
}

/** Starts them all; with `isBackingUp` each makes a backup at once, as all would at one minute of a schedule. */
async function startAll(urls: readonly string[], isBackingUp: boolean): Promise<void> {
  const env = isBackingUp ? { LICENCE_BACKUP_DIR: backups, LICENCE_BACKUP_SCHEDULE: '* * * * *' } : {};
  for (const [n, url] of urls.entries()) {
    running.push(await ServerProcess.start({ ...computers[n]?.env, DATABASE_URL: url, ...env }));
  }
}

/** Times of single check-outs and releases, one after the other, on one connection; in ms. */
async function timesOf(address: string, forMs: number): Promise<number[]> {
  const pool = new Pool(address, { connections: 1 });
  const times: number[] = [];
  const end = performance.now() + forMs;
  for (let n = 0; performance.now() < end; n++) {
    const holder = { base: 'b', user: `u${n}`, host: 'h' };
    const began = performance.now();
    const answer = await pool.request({
      method: 'POST',
      path: '/v1/checkouts',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ product: 'erp', mode: 'leased', holder }),
    });
    const body = (await answer.body.json()) as { leaseId?: string };
    times.push(performance.now() - began);
    if (body.leaseId !== undefined) {
      await (await pool.request({ method: 'DELETE', path: `/v1/leases/${body.leaseId}` })).body.dump();
    }
    await wait(2);
  }
  await pool.close();
  return times;
}
const p99 = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0;
const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0;

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
  for (const computer of computers) computer.remove();
  await postgres.stop();
  rmSync(dir, { recursive: true, force: true });
}
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stopAll().finally(() => process.exit(1)));

try {
  const urls: string[] = [];
  for (let n = 0; n < servers; n++) {
    computers.push(await createComputer(1_000));
    urls.push(await databaseOf(n));
  }
  const found: Record<'without' | 'with', number[]> = { without: [], with: [] };
  for (let round = 0; round < 2 * rounds; round++) {
    const kind = round % 2 === 0 ? 'without' : 'with';
    await startAll(urls, kind === 'with');
    if (round === 0) for (const url of urls) await fill(url);
    const [first] = running;
    if (first === undefined) throw new Error('no server runs');
    // Every server looks at the minute's beginning: that minute is what is measured.
    if (kind === 'with') await wait(60_000 - (Date.now() % 60_000));
    const times = await timesOf(first.address, seconds * 1_000);
    found[kind].push(p99(times));
    console.log(
      `${kind} backups: p99 ${p99(times).toFixed(2)} ms of ${times.length}; ${readdirSync(backups).length} archives`,
    );
    await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
  }
  const ratio = median(found.with) / median(found.without);
  console.log(`p99 with backups is ${ratio.toFixed(2)} x that without (bound 1.2)`);
  process.exitCode = ratio <= 1.2 ? 0 : 1;
} finally {
  await stopAll();
}
