import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { createLog } from '../../runtime/log.ts';
import { migrate } from '../../runtime/migrate.ts';
import { startEmbedded } from '../../runtime/postgres/embedded.ts';
import { migrationsDir } from '../../server/db/database.ts';
import { newLeaseId } from '../../server/seats/leaseId.ts';
import { type Computer, createComputer } from '../../test/db/server/support/serverProcess.ts';
import type { LoadJob, LoadResult } from './load.ts';

/**
 * `npm run bench:server`: the licence server, design A and a bare fastify in turn on this machine, on one PostgreSQL with real
 * flushes. The machine is noisy: judge the ratios within a run. BENCH_SECONDS (3) a measurement, BENCH_ROUNDS (3) interleaved
 * rounds, BENCH_ONLY: words that a case's name must contain.
 */
const seconds = Number(process.env.BENCH_SECONDS ?? 3);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const only = process.env.BENCH_ONLY ?? '';
const here = import.meta.dirname;
const root = join(here, '..', '..');

interface Case {
  readonly name: string;
  readonly kind: LoadJob['kind'];
  readonly connections: number;
  /** Leases that exist before. */
  readonly leases: number;
  /** Free seats before. */
  readonly free: number;
  readonly items?: number;
  readonly designA: boolean;
}
const plenty = 5_000_000;
const cases: readonly Case[] = [
  { name: 'heartbeat, 10k leases', kind: 'heartbeat', connections: 1, leases: 10_000, free: plenty, designA: true },
  { name: 'heartbeat, 10k leases', kind: 'heartbeat', connections: 16, leases: 10_000, free: plenty, designA: true },
  { name: 'heartbeat, 10k leases', kind: 'heartbeat', connections: 64, leases: 10_000, free: plenty, designA: true },
  { name: 'heartbeat, 100k leases', kind: 'heartbeat', connections: 64, leases: 100_000, free: plenty, designA: true },
  { name: 'check-out, 10k pool', kind: 'checkout', connections: 16, leases: 10_000, free: plenty, designA: true },
  { name: 'check-out, 10k pool', kind: 'checkout', connections: 64, leases: 10_000, free: plenty, designA: true },
  { name: 'check-out, 100k pool', kind: 'checkout', connections: 64, leases: 100_000, free: plenty, designA: true },
  { name: 'check-out, 10k pool', kind: 'checkout', connections: 256, leases: 10_000, free: plenty, designA: true },
  { name: 'denial, pool full', kind: 'denial', connections: 16, leases: 10_000, free: 0, designA: true },
  { name: 'denial, pool full', kind: 'denial', connections: 64, leases: 10_000, free: 0, designA: true },
  { name: 'check-out + release', kind: 'cycle', connections: 16, leases: 10_000, free: plenty, designA: true },
  {
    name: 'heartbeats, 500 a call',
    kind: 'heartbeats',
    connections: 4,
    leases: 10_000,
    free: plenty,
    items: 500,
    designA: false,
  },
  {
    name: 'session report, 200 a base',
    kind: 'report',
    connections: 4,
    leases: 10_000,
    free: plenty,
    items: 200,
    designA: false,
  },
];

const dir = mkdtempSync(join(tmpdir(), 'bench-'));
const log = createLog('bench', 'warn');
const postgres = await startEmbedded({ root: join(dir, 'postgres'), database: 'bench' }, log);
const urlOf = (database: string) =>
  `postgres://licence@${encodeURIComponent(String(postgres.connection.host))}:5432/${database}`;

async function query(database: string, sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: urlOf(database) });
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** A database with so many leases; the file has their ids. */
async function fill(database: string, c: Case): Promise<string> {
  await query(database, 'TRUNCATE lease, event, base, waiter, denial');
  const poolId = Number((await query(database, "SELECT pool_id FROM pool WHERE product = 'erp'"))[0]?.pool_id);
  const ids = Array.from({ length: c.leases }, () => newLeaseId(poolId));
  await query(
    database,
    `INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder)
     SELECT $1, 0, i::uuid, now(), now(), now() + interval '1 h', concat_ws(chr(31), 'base' || o % 100, 'held-' || o, 'pc', '') FROM unnest($2::text[]) WITH ORDINALITY u(i, o)`,
    [poolId, ids],
  );
  await query(
    database,
    "UPDATE pool SET in_use = $2, seat_limit = $3, next_expiry = now() + interval '50 min' WHERE pool_id = $1",
    [poolId, c.leases, c.leases + c.free],
  );
  await query(database, 'VACUUM ANALYZE lease');
  await query(database, 'CHECKPOINT');
  const file = join(dir, `${database}.ids`);
  writeFileSync(file, ids.join('\n'));
  return file;
}

interface Contestant {
  readonly name: string;
  readonly database?: string;
  readonly port: number;
  readonly token: string;
  readonly child: ChildProcess;
}
async function start(
  name: string,
  args: readonly string[],
  env: Record<string, string>,
  ready: RegExp,
): Promise<{ port: number; child: ChildProcess }> {
  const child = spawn(process.execPath, [...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      said += chunk;
      const port = ready.exec(said)?.[1];
      if (port !== undefined) resolve({ port: Number(port), child });
    });
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${said.slice(-500)}`)));
  });
}

async function contestants(computer: Computer): Promise<Contestant[]> {
  await query('bench', 'CREATE DATABASE ours');
  await query('bench', 'CREATE DATABASE design_a');
  await migrate({ connectionString: urlOf('design_a') }, migrationsDir);
  await query('design_a', "INSERT INTO pool (product) VALUES ('erp')");
  const { LICENCE_ACCESS: _, ...env } = computer.env;
  const started = await start(
    'ours',
    [join(root, 'server', 'main.ts')],
    { ...env, DATABASE_URL: urlOf('ours'), LICENCE_LEASE_SECONDS: '3600' },
    /"address":"http:\/\/127\.0\.0\.1:(\d+)"/,
  );
  const token = readFileSync(join(computer.dataDir, 'tokens', 'client'), 'utf8').trim();
  const address = /http:\/\/127\.0\.0\.1:(\d+)/;
  const designA = await start('design A', [join(here, 'designA.ts')], { DATABASE_URL: urlOf('design_a') }, address);
  const bare = await start('bare', [join(here, 'bare.ts')], {}, address);
  return [
    { name: 'ours', database: 'ours', token, ...started },
    { name: 'design A', database: 'design_a', token, ...designA },
    { name: 'bare', token, ...bare },
  ];
}

/** Processor time that a process has used so far, in ms; 0 when it is gone. */
function cpuMs(pid: number | undefined): number {
  try {
    const [, , , , , , , , , , , user = '0', system = '0'] =
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(user) + Number(system)) * 10;
  } catch {
    return 0;
  }
}
const postgresCpuMs = (): number =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1] === String(postgres.pid());
      } catch {
        return false;
      }
    })
    .reduce((sum, pid) => sum + cpuMs(Number(pid)), 0);

type Measured = LoadResult & { readonly nodeUs: number; readonly postgresUs: number };

async function measure(who: Contestant, c: Case): Promise<Measured> {
  const leaseFile = who.database === undefined ? undefined : await fill(who.database, c);
  const file = leaseFile ?? join(dir, 'ours.ids');
  const job: LoadJob = {
    port: who.port,
    token: who.token,
    kind: c.kind,
    connections: c.connections,
    seconds,
    leaseFile: file,
    items: c.items ?? 1,
  };
  const before = { node: cpuMs(who.child.pid), postgres: postgresCpuMs() };
  const { stdout } = await promisify(execFile)(process.execPath, [join(here, 'load.ts'), JSON.stringify(job)], {
    maxBuffer: 1 << 20,
  });
  const result = JSON.parse(stdout) as LoadResult;
  // the generator warms up for half a second that counts here and not there
  const requests = (Object.values(result.statuses).reduce((sum, n) => sum + n, 0) * (seconds + 0.5)) / seconds;
  const nodeUs = ((cpuMs(who.child.pid) - before.node) * 1000) / requests;
  return { ...result, nodeUs, postgresUs: ((postgresCpuMs() - before.postgres) * 1000) / requests };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
const memoryMb = (pid: number | undefined): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);

const computer = await createComputer(plenty);
const all = await contestants(computer);
const [ours] = all;
const lines: string[] = [];
const say = (line: string) => {
  lines.push(line);
  process.stdout.write(`${line}\n`);
};
try {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root }).toString().trim();
  say(
    `commit ${commit} · ${cpus().length} × ${cpus()[0]?.model} · Node ${process.version} · PostgreSQL ${postgres.major} · ${rounds} × ${seconds} s`,
  );
  say('');
  say(
    '| case | c | ours | design A | bare | ours / A | ours / bare | p50 ms | p99 ms | CPU µs a request: ours + its PostgreSQL; bare | answers |',
  );
  say('|---|---|---|---|---|---|---|---|---|---|---|');
  for (const c of cases.filter((x) => x.name.includes(only))) {
    const results = new Map<string, Measured[]>();
    for (let round = 0; round < rounds; round++) {
      for (const who of all) {
        if (who.name === 'design A' && !c.designA) continue;
        results.set(who.name, [...(results.get(who.name) ?? []), await measure(who, c)]);
      }
    }
    const rate = (name: string) => median((results.get(name) ?? []).map((r) => r.perSecond));
    const own = results.get('ours') ?? [];
    const [o, a, b] = [rate('ours'), rate('design A'), rate('bare')];
    const items = c.items === undefined ? '' : ` (${Math.round((o * c.items) / 1000)}k items/s)`;
    const ratio = (x: number) => (Number.isNaN(x) ? '–' : x.toFixed(2));
    const us = (name: string, key: 'nodeUs' | 'postgresUs') =>
      Math.round(median((results.get(name) ?? []).map((r) => r[key])));
    const cpu = `${us('ours', 'nodeUs')} + ${us('ours', 'postgresUs')}; ${us('bare', 'nodeUs')}`;
    const statuses = JSON.stringify(own.at(-1)?.statuses ?? {}).replaceAll('"', '');
    say(
      `| ${c.name} | ${c.connections} | ${o}${items} | ${Number.isNaN(a) ? '–' : a} | ${b} | ${ratio(o / a)} | ${ratio(o / b)} | ${median(own.map((r) => r.p50Ms))} | ${median(own.map((r) => r.p99Ms))} | ${cpu} | ${statuses} |`,
    );
  }
  say('');
  say(`memory of our server afterwards: ${memoryMb(ours?.child.pid)} MB`);
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(join(root, 'bench', 'results', 'server.md'), `${lines.join('\n')}\n`);
} finally {
  await Promise.all(
    all.map(async ({ child }) => {
      child.removeAllListeners('exit');
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }),
  );
  await postgres.stop(8_000);
  computer.remove();
  rmSync(dir, { recursive: true, force: true });
}
