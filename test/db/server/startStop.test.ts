import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { directoryHolder } from '../../../runtime/directoryLock.ts';
import { recoversFor, type ShimPostgres, shimPostgres } from '../../support/shimPostgres.ts';
import { repository } from '../../support/sources.ts';
import { type Computer, createComputer, postgresOf, ServerProcess, until } from './support/serverProcess.ts';

let computer: Computer;
let shim: ShimPostgres | undefined;
let running: ServerProcess[] = [];
const cleanUp: (() => unknown)[] = [];

beforeEach(async () => {
  computer = await createComputer(1_000);
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.stop('SIGKILL')));
  running = [];
  for (const act of cleanUp.splice(0)) await act();
  await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
  shim?.remove();
  shim = undefined;
  computer.remove();
});
const start = async (env: Record<string, string> = {}, readyWhen?: string) => {
  const server = await ServerProcess.start({ ...computer.env, ...env }, 'server', readyWhen);
  running.push(server);
  return server;
};
/** It has ended by itself, and nothing of it is left that could be in the way of the next one. */
const expectNothingLeft = () => {
  expect(postgresOf(computer.dataDir)).toEqual([]);
  expect(directoryHolder(computer.dataDir, 'licence-server')).toBeUndefined();
};
/** Something that takes connections and never says a word. */
async function silent(): Promise<number> {
  const server: Server = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  cleanUp.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}
const program = [process.execPath, join(repository, 'server/main.ts')];
/** The same for which a minute of waiting is over after some seconds. */
const quickTime = `const now = performance.now.bind(performance); performance.now = () => 20 * now();`;
const hasty = [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(quickTime)}`, program[1] ?? ''];
const inPidNamespace = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
const childrenOf = (pid: number | undefined): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
/** The first process of the namespace that `unshare` has made. */
const firstIn = (server: ServerProcess): number => childrenOf(server.child.pid)[0] ?? Number.NaN;
/** The end of a log's line that tells of a database for which it waits. */
const waitsForDatabase = ' yet"';
const promptMs = 15_000; // on a machine that is busy; it does not wait for anything

describe('a server that is told to end while it starts', () => {
  it.each<[string, () => Promise<Record<string, string>>, string]>([
    [
      'waits for a database that is not there',
      async () => ({ DATABASE_URL: 'postgres://127.0.0.1:1/x' }),
      waitsForDatabase,
    ],
    [
      'waits for a database that does not answer',
      async () => ({ DATABASE_URL: `postgres://127.0.0.1:${await silent()}/x` }),
      'access is open',
    ],
    [
      'waits for recovery',
      async () => {
        shim = await shimPostgres(recoversFor(600));
        return { LICENCE_POSTGRES_BIN: shim.bin };
      },
      'it brings its data in order',
    ],
    [
      'makes its data, by a program that has begun others',
      async () => {
        shim = await shimPostgres('', 'sleep 600 & wait $!');
        return { LICENCE_POSTGRES_BIN: shim.bin };
      },
      'initialising PostgreSQL',
    ],
    [
      'makes its data, by a program that minds no word',
      async () => {
        shim = await shimPostgres('', 'trap "" TERM INT; sleep 600 & wait $!');
        return { LICENCE_POSTGRES_BIN: shim.bin };
      },
      'initialising PostgreSQL',
    ],
  ])('ends at once and cleanly: it %s', async (name, env, when) => {
    const server = await start(await env(), when);
    if (name.startsWith('makes its data')) {
      const grandchildren = () => childrenOf(server.child.pid).flatMap(childrenOf);
      await until('the program to be under way', async () => grandchildren().length > 0);
    }
    const toldAt = Date.now();
    expect(await server.stop()).toBe(0);
    expect(Date.now() - toldAt).toBeLessThan(promptMs);
    expectNothingLeft();
  });

  it.runIf(process.platform === 'linux' && process.getuid?.() === 0)(
    'also as the first process of a container, which the kernel ends by no signal that nobody waits for',
    async () => {
      const env = { ...computer.env, DATABASE_URL: 'postgres://127.0.0.1:1/x' };
      const server = await ServerProcess.start(env, 'server', waitsForDatabase, [...inPidNamespace, ...program]);
      running.push(server);
      const toldAt = Date.now();
      process.kill(firstIn(server), 'SIGTERM');
      expect(await server.exited).toBe(0);
      expect(Date.now() - toldAt).toBeLessThan(promptMs);
    },
  );
});

describe('a start that fails ends the program and its PostgreSQL, and leaves nothing that is in the way of the next', () => {
  it.each<[string, () => Promise<ShimPostgres>, RegExp]>([
    [
      'PostgreSQL ends with a word',
      () => shimPostgres('echo "FATAL:  could not extend file: No space left on device" >&2; exit 1'),
      /PostgreSQL does not start on .*: FATAL: {2}could not extend file: No space left on device/,
    ],
    [
      'PostgreSQL answers never',
      () => shimPostgres('sleep 600 & trap "kill $!; exit 0" TERM INT QUIT; wait $!'),
      /PostgreSQL does not come up on .*ENOENT/,
    ],
    [
      'initdb has no room',
      () => shimPostgres('', 'echo "initdb: error: could not create directory: No space left on device" >&2; exit 1'),
      /initdb ended with 1: initdb: error: could not create directory: No space left on device/,
    ],
  ])(
    '%s',
    async (_name, make, words) => {
      shim = await make();
      const env = { ...computer.env, LICENCE_POSTGRES_BIN: shim.bin };
      const server = await ServerProcess.start(env, 'server', 'access is open', hasty);
      running.push(server);
      expect(await server.exited).toBe(1);
      expect(server.output).toMatch(words);
      expectNothingLeft();
      const next = await start();
      expect((await next.checkOut('anna')).status).toBe(201);
    },
    150_000,
  );
});

describe('a first start that is killed alone, while the programs that it ran are left to themselves', () => {
  const drafts = (): string[] => {
    const root = join(computer.dataDir, 'postgres');
    return existsSync(root) ? readdirSync(root).filter((name) => name.includes('.draft')) : [];
  };
  const isIn = (file: string) => drafts().some((draft) => existsSync(join(computer.dataDir, 'postgres', draft, file)));
  const isReady = '"msg":"ready"';

  it.each(['base', 'base/1/pg_filenode.map'])('is begun again at once: its data had %s', async (file) => {
    const first = await start(computer.env, 'initialising PostgreSQL');
    await until(file, async () => isIn(file));
    await first.stop('SIGKILL');
    const second = await start(computer.env, isReady);
    expect(second.output).toContain(isReady);
    expect(drafts()).toEqual([]);
    expect(await second.stop()).toBe(0);
    expectNothingLeft();
  });

  it('is begun again while what was left still writes', async () => {
    // of a program that nobody ends: a child that goes on for some seconds
    shim = await shimPostgres(
      '',
      '( for n in $(seq 100); do mkdir -p "$2/base"; : >"$2/base/$n"; sleep 0.05; done ) & sleep 0.3',
    );
    const first = await start({ ...computer.env, LICENCE_POSTGRES_BIN: shim.bin }, 'initialising PostgreSQL');
    await until('it writes', async () => isIn('base/2'));
    await first.stop('SIGKILL');
    const second = await start(computer.env, isReady);
    expect(second.output).toContain(isReady);
    expect(await second.stop()).toBe(0);
  });
});

it('recovery may take longer than an answer may, and is told', async () => {
  const { startEmbedded } = await import('../../../runtime/postgres/embedded.ts');
  const { pino } = await import('pino');
  shim = await shimPostgres(recoversFor(3));
  const lines: string[] = [];
  const dir = mkdtempSync(join(tmpdir(), 'recovery-'));
  cleanUp.push(() => rmSync(dir, { recursive: true }));
  chmodSync(dir, 0o755);
  const postgres = await startEmbedded(
    { root: join(dir, 'postgres'), database: 'x', migrations: dir, bin: shim.bin, openWithinMs: 1_500 },
    pino({ level: 'info' }, { write: (line) => lines.push(line) }),
  );
  await postgres.stop();
  expect(lines.join('')).toContain('it brings its data in order, which may take a while');
});

it('a stop is clean when a service manager tells every process of the unit at once', async () => {
  const server = await start();
  const ids: string[] = [];
  for (let i = 0; i < 20; i++) ids.push((await server.checkOut(`u${i}`)).body.leaseId);
  const all = postgresOf(computer.dataDir);
  expect(all.length).toBeGreaterThan(1);
  for (const pid of [...all, server.child.pid ?? 0]) process.kill(pid, 'SIGTERM');
  expect(await server.exited).toBe(0);
  expect(server.output).not.toContain('did not stop cleanly');
  expectNothingLeft();
  const data = join(computer.dataDir, 'postgres');
  const [major = ''] = readdirSync(data);
  expect(existsSync(join(data, major, 'postmaster.pid'))).toBe(false); // a crash would leave it
  const next = await start({ LICENCE_CLEAR_STALE: 'never' });
  for (const id of ids) expect((await next.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(200);
});
