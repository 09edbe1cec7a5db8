import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, type TestContext } from 'vitest';
import { ensurePostgres } from '../../../cluster/postgres.ts';
import { PrerequisiteMissing } from '../../../cluster/prerequisite.ts';
import { randomFrom } from '../../chaos/support/random.ts';
import { ensureOtherPostgres, type OtherPostgres } from '../../support/otherPostgres.ts';
import {
  type Computer,
  createComputer,
  postgresOf,
  postmasterOf,
  runServer,
  ServerProcess,
  until,
} from './support/serverProcess.ts';

let newer: OtherPostgres | undefined;
let computer: Computer;
let root: string;
const running: ServerProcess[] = [];

beforeEach(async () => {
  computer = await createComputer(5_000);
  root = join(computer.dataDir, 'postgres');
});
afterEach(async () => {
  await endAll();
  computer.remove();
  newer?.[Symbol.dispose]();
});

interface Programs {
  readonly major: number;
  readonly bin: string;
}
/** Two majors of PostgreSQL, or a skip. */
async function twoMajors(test: TestContext): Promise<{ older: Programs; newer: Programs }> {
  newer = await ensureOtherPostgres(18).catch((error) => {
    if (!(error instanceof PrerequisiteMissing) || process.env.CI === 'true') throw error;
    return test.skip(error.message);
  });
  const bin = await ensurePostgres('to have an older one');
  const major = Number(/\d+/.exec(execFileSync(join(bin, 'postgres'), ['--version'], { encoding: 'utf8' }))?.[0]);
  if (major < newer.major) return { older: { major, bin }, newer };
  const message = `no PostgreSQL older than ${newer.major} is installed`;
  if (process.env.CI === 'true') throw new Error(message);
  return test.skip(message);
}
const start = async (bin: string, readyWhen?: string): Promise<ServerProcess> => {
  const env = { ...computer.env, LICENCE_POSTGRES_BIN: bin, LICENCE_CLEAR_STALE: 'never' };
  const server = await ServerProcess.start(env, 'server', readyWhen);
  running.push(server);
  return server;
};
/** Kills servers and whatever PostgreSQL they have, as a node that loses its power. */
async function endAll(): Promise<void> {
  for (const server of running) server.child.kill('SIGKILL');
  await until('PostgreSQL to end', async () => {
    const left = postgresOf(computer.dataDir);
    for (const pid of left) process.kill(pid, 'SIGKILL');
    return left.length === 0;
  });
  await Promise.all(running.splice(0).map((server) => server.exited));
}
const tell = async (server: ServerProcess) => {
  const { fingerprint, keys, products } = (await server.call('GET', '/v1/status')).body;
  return { fingerprint, keys, inUse: products[0].seatsInUse };
};
async function takeSeats(server: ServerProcess): Promise<string[]> {
  const users = ['anna', 'борис', ...Array.from({ length: 300 }, (_, i) => `u${i}`)];
  const answers = await Promise.all([
    ...users.map((user) => server.checkOut(user)),
    server.checkOut('sticky', 'sticky'),
  ]);
  return answers.map(({ body }) => body.leaseId);
}
async function expectLive(server: ServerProcess, ids: readonly string[]): Promise<void> {
  for (const id of ids) expect((await server.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(200);
  expect((await server.checkOut('anna')).body.leaseId).toBe(ids[0]);
}

it('a newer PostgreSQL takes over what a crash of the older one has left: same computer, same seats; and back it does not go', async (test) => {
  const { older, newer } = await twoMajors(test);
  let server = await start(older.bin);
  const ids = await takeSeats(server);
  const before = await tell(server);
  expect(before).toMatchObject({ keys: [{ state: 'Active' }], inUse: ids.length });
  writeFileSync(join(root, `${older.major}.dump`), 'of a clean stop of an earlier version, long ago');
  await endAll();

  // an export reads what is there, and carries nothing over
  const archive = join(computer.dataDir, 'export.tar.gz');
  expect(await runServer({ ...computer.env, LICENCE_POSTGRES_BIN: newer.bin }, 'export', archive)).toMatchObject({
    status: 0,
    stderr: expect.stringContaining(`exported ${ids.length} seats`),
  });
  expect(readdirSync(root)).toEqual([String(older.major)]);

  server = await start(newer.bin);
  expect(await tell(server)).toEqual(before);
  await expectLive(server, ids);
  expect(readFileSync(join(root, String(newer.major), 'PG_VERSION'), 'utf8').trim()).toBe(String(newer.major));
  expect(readdirSync(root).sort()).toEqual([String(newer.major), `${older.major}.replaced`].sort());
  expect(readFileSync(join(root, String(newer.major), 'postgresql.conf'), 'utf8')).toMatch(/^huge_pages = off/m);
  expect(await server.stop()).toBe(0);

  server = await start(older.bin);
  expect(await server.exited).toBe(1);
  expect(server.output).toContain(
    `the data is of PostgreSQL ${newer.major}, which is newer than ${older.major}, the one that may run: install PostgreSQL ${newer.major}`,
  );
}, 300_000);

it('an upgrade that is killed, or told to end, at any moment is begun again from the good data', async (test) => {
  const { older, newer } = await twoMajors(test);
  const first = await start(older.bin);
  const ids = await takeSeats(first);
  expect(await first.stop()).toBe(0);
  const drafts = () => readdirSync(root).filter((name) => name.includes('.draft'));
  const isIn = (dirs: string[], file: string) => dirs.some((dir) => existsSync(join(root, dir, file)));
  const moments: [string, () => boolean][] = [
    ['new data are being made', () => isIn(drafts(), 'base')],
    ['new data are being made, by a PostgreSQL', () => isIn(drafts(), 'postmaster.pid')],
    ['the newer one starts', () => isIn(drafts(), 'postmaster.opts')],
    ['the older one starts', () => isIn([String(older.major)], 'postmaster.pid')],
  ];
  for (const [n, [moment, isThere]] of moments.entries()) {
    const server = await start(newer.bin, 'takes the data over');
    await until(moment, async () => isThere(), 60_000);
    if (n % 2 === 0) await endAll();
    else {
      expect(await server.stop(), moment).toBe(0);
      expect(postgresOf(computer.dataDir), moment).toEqual([]);
      expect(drafts(), moment).toEqual([]);
    }
    expect(server.output).not.toContain('"msg":"ready"');
    expect(existsSync(join(root, String(newer.major)))).toBe(false);
  }
  const server = await start(newer.bin);
  await expectLive(server, ids);
}, 300_000);

it('an upgrade that is killed at moments that nobody chose is begun again from the good data, or is whole', async (test) => {
  const { older, newer } = await twoMajors(test);
  const first = await start(older.bin);
  const ids = await takeSeats(first);
  await endAll(); // what it carries over was not stopped cleanly either
  const good = join(computer.dataDir, 'good');
  execFileSync('cp', ['-a', root, good]);
  const restore = () => {
    rmSync(root, { recursive: true, force: true });
    execFileSync('cp', ['-a', good, root]);
  };
  let takesMs = 0;
  let broken = 0;
  const seed = Number(process.env.UPGRADE_SEED ?? Date.now());
  const random = randomFrom(seed);
  for (let n = 0; n <= Number(process.env.UPGRADE_KILLS ?? 5); n++) {
    restore();
    if (n > 0) {
      const killed = await start(newer.bin, 'takes the data over');
      await delay(random() * 1.1 * takesMs);
      await endAll();
      if (!killed.output.includes('are taken over')) broken += 1;
    }
    const from = Date.now();
    const server = await start(newer.bin);
    takesMs ||= Date.now() - from; // the first one is left alone
    await expectLive(server, ids);
    expect((await server.call('GET', '/v1/status')).body.products[0].seatsInUse, `UPGRADE_SEED=${seed}`).toBe(
      ids.length,
    );
    expect(await server.stop()).toBe(0);
    expect(readdirSync(root).sort()).toEqual([String(newer.major), `${older.major}.replaced`].sort());
  }
  expect(broken).toBeGreaterThan(0);
}, 600_000);

it.for([
  ['before the older data were set aside', true],
  ['after it', false],
] as const)(
  'an upgrade that was killed between its last moves, %s, is ended by the next start',
  { timeout: 180_000 },
  async ([, isBefore], test) => {
    const { older, newer } = await twoMajors(test);
    const first = await start(newer.bin);
    const ids = await takeSeats(first);
    expect(await first.stop()).toBe(0);
    renameSync(join(root, String(newer.major)), join(root, `${newer.major}.carried`));
    mkdirSync(join(root, isBefore ? String(older.major) : `${older.major}.replaced`));
    writeFileSync(join(root, `${older.major}.dump`), '');
    const server = await start(newer.bin);
    await expectLive(server, ids);
    expect(readdirSync(root).sort()).toEqual([String(newer.major), `${older.major}.replaced`].sort());
    expect(postmasterOf(computer.dataDir)).toBeGreaterThan(0);
  },
);

it('data that an earlier version left half taken over are refused, with what to do', async (test) => {
  const { older, newer } = await twoMajors(test);
  const first = await start(older.bin);
  expect(await first.stop()).toBe(0);
  mkdirSync(join(root, String(newer.major)));
  writeFileSync(join(root, `${older.major}.dump`), '');
  const server = await start(newer.bin);
  expect(await server.exited).toBe(1);
  expect(server.output).toContain(
    `move the directory ${newer.major} away to begin again from ${older.major}, or ${older.major} and ${older.major}.dump`,
  );
}, 120_000);
