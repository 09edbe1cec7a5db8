import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { repository } from '../../support/sources.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';

const eventually = async (what: string, check: () => boolean | Promise<boolean>) => {
  for (const end = Date.now() + 30_000; !(await check()); ) {
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** The program `licence run` with a command; what it wrote and how it ended. */
class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | NodeJS.Signals | null>;
  out = '';
  err = '';
  constructor(url: string, options: readonly string[], command: readonly string[], within: readonly string[] = []) {
    const args = [join(repository, 'cli/licence.ts'), 'run', '--product', 'erp', ...options, '--', ...command];
    const [file = '', ...rest] = [...within, process.execPath, ...args];
    this.child = spawn(file, rest, {
      env: { PATH: process.env.PATH, HOME: '/', LICENCE_SERVER_URL: url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.on('data', (chunk) => {
      this.out += chunk;
    });
    this.child.stderr?.on('data', (chunk) => {
      this.err += chunk;
    });
    this.ended = new Promise((resolve) => this.child.on('close', (code, signal) => resolve(code ?? signal)));
  }
}

let database: TestDatabase;
let server: SeatServer;
let url: string;
let dir: string;
const runs: Run[] = [];

beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, { leaseMs: 3_000, licences: [{ seatLimit: 1 }] });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  dir = await mkdtemp(join(tmpdir(), 'licence-run-'));
});
afterEach(async () => {
  for (const run of runs.splice(0)) {
    run.child.kill('SIGTERM');
    await run.ended;
  }
  await server.stop();
  await database.drop();
  await rm(dir, { recursive: true, force: true });
});

const run = (command: readonly string[], ...options: string[]): Run => {
  const started = new Run(url, ['--user', 'anna', '--host', 'pc', ...options], command);
  runs.push(started);
  return started;
};
const holders = async (): Promise<string[]> =>
  (await server.call('GET', '/v1/leases')).body.leases.map((l: { holder: { user: string } }) => l.holder.user);
/** Says so when it runs, then waits for a signal; `trap` tells what it got. */
const waiting = ['sh', '-c', 'trap "echo told; exit 7" TERM; echo running; while :; do sleep 0.05; done'];

it('holds a seat while the command runs, however long, and gives it back', async () => {
  const started = run(['sh', '-c', 'echo "$0 $1"; sleep 4; exit 3', 'two', 'words of it']);
  await eventually('the command runs', () => started.out !== '');
  expect(await holders()).toEqual(['anna']);
  expect(await started.ended).toBe(3);
  expect(started.out).toBe('two words of it\n');
  expect(started.err).toBe('');
  expect(await holders()).toEqual([]);
});

it('forwards signals to the command and ends as the command does', async () => {
  const started = run(waiting);
  await eventually('the command runs', () => started.out === 'running\n');
  started.child.kill('SIGTERM');
  expect(await started.ended).toBe(7);
  expect(started.out).toBe('running\ntold\n');
  expect(await holders()).toEqual([]);
});

it('ends with 128 and the number of the signal that ended the command', async () => {
  const started = run(['sh', '-c', 'kill -KILL $$']);
  expect(await started.ended).toBe(137);
});

it('does not run the command without a seat: 69', async () => {
  await server.checkOut('boris');
  const file = join(dir, 'ran');
  const started = run(['touch', file]);
  expect(await started.ended).toBe(69);
  expect(started.err).toContain('licence: no seat of "erp": all are taken; try again in');
  expect(started.err).toContain('SeatsExhausted');
  await expect(readFile(file)).rejects.toThrow();
});

it('does not run the command without a server: 70', async () => {
  const started = new Run('http://127.0.0.1:9', [], ['true']);
  expect(await started.ended).toBe(70);
  expect(started.err).toContain('cannot reach the licence server');
});

it('ends the command when its seat goes to somebody else: 71', async () => {
  const started = run(waiting);
  await eventually('the command runs', () => started.out === 'running\n');
  const [lease] = (await server.call('GET', '/v1/leases')).body.leases;
  await server.call('POST', `/v1/leases/${lease.leaseId}:release`, { reason: 'a test' });
  await server.checkOut('boris', { mode: 'sticky' });
  expect(await started.ended).toBe(71);
  expect(started.out).toBe('running\ntold\n');
  expect(await holders()).toEqual(['boris']);
});

it('only says so with --when-lost warn', async () => {
  const started = run(waiting, '--when-lost', 'warn');
  await eventually('the command runs', () => started.out === 'running\n');
  const [lease] = (await server.call('GET', '/v1/leases')).body.leases;
  await server.call('POST', `/v1/leases/${lease.leaseId}:release`, { reason: 'a test' });
  await server.checkOut('boris', { mode: 'sticky' });
  await eventually('told', () => started.err.includes('the seat was lost'));
  expect(started.out).toBe('running\n');
  started.child.kill('SIGTERM');
  expect(await started.ended).toBe(7);
});

it('says that a command cannot be found, and keeps no seat: 127', async () => {
  const started = run(['/no/such/command']);
  expect(await started.ended).toBe(127);
  expect(started.err).toContain('/no/such/command');
  expect(await holders()).toEqual([]);
});

it('waits for a seat as long as it is told, and runs when one is free', async () => {
  const { body } = await server.checkOut('boris', { mode: 'sticky' });
  const started = run(['echo', 'ran'], '--wait', '30');
  await eventually('it waits', async () => {
    const { products } = (await server.call('GET', '/v1/products')).body;
    return products[0].queueLength === 1;
  });
  await server.call('DELETE', `/v1/leases/${body.leaseId}`);
  expect(await started.ended).toBe(0);
  expect(started.out).toBe('ran\n');
  expect(started.err).toContain('waiting up to 30 s');
});

it('gives up when the time to wait is over: 69', async () => {
  await server.checkOut('boris', { mode: 'sticky' });
  const started = run(['echo', 'ran'], '--wait', '1');
  expect(await started.ended).toBe(69);
  expect(started.out).toBe('');
});

const asRoot = it.runIf(process.platform === 'linux' && process.getuid?.() === 0);

asRoot(
  'takes a seat for each run, also in containers that share a host name and count their processes alike',
  async () => {
    await server.setLicences([{ seatLimit: 2 }]);
    const inPidNamespace = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const options = ['--user', 'anna', '--host', 'pod'];
    const both = [0, 1].map(() => {
      const started = new Run(url, options, ['sh', '-c', 'echo running; exec sleep 30'], inPidNamespace);
      runs.push(started);
      return started;
    });
    await eventually('both run', () => both.every((r) => r.out.includes('running') || r.child.exitCode !== null));
    expect(await holders()).toEqual(['anna', 'anna']);
    for (const started of both) started.child.kill('SIGKILL'); // unshare itself heeds no other; what it runs dies with it
  },
);

it('takes one seat for all runs of one session', async () => {
  const both = [0, 1].map(() => run(['sh', '-c', 'echo running; exec sleep 30'], '--session', 'nightly'));
  await eventually('both run', () => both.every((r) => r.out.includes('running')));
  expect(await holders()).toEqual(['anna']);
});

asRoot('is run by a user without a name: named by number, or as it is told', async () => {
  const nameless = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups'];
  for (const [options, user] of [
    [[], '54321'],
    [['--user', 'boris'], 'boris'],
  ] as const) {
    const started = new Run(url, options, ['sh', '-c', 'echo running; exec sleep 30'], nameless);
    runs.push(started);
    await eventually('it runs', () => started.out.includes('running') || started.child.exitCode !== null);
    expect([started.err, await holders()]).toEqual(['', [user]]);
    started.child.kill('SIGTERM');
    await started.ended;
  }
});

it('takes a seat along, runs on it where no server answers, and gives it back early', async () => {
  await server.setLicences([{ seatLimit: 1, borrow: { maxHours: 48, keepFree: 0 } }]);
  const home = ['env', `XDG_STATE_HOME=${dir}`];
  const take = (at: string, ...options: string[]) => {
    const started = new Run(at, ['--user', 'anna', '--host', 'pc', ...options], ['echo', 'works'], home);
    runs.push(started);
    return started;
  };
  const online = take(url, '--borrow', '48h');
  expect([await online.ended, online.out]).toEqual([0, 'works\n']);
  const [lease] = (await server.call('GET', '/v1/leases')).body.leases;
  expect(lease).toMatchObject({ mode: 'borrowed', holder: { user: 'anna' } });
  expect(online.err).toContain(`is taken along until ${lease.expiresAt}`);
  const offline = take('http://127.0.0.1:9', '--borrow', '48h');
  expect([await offline.ended, offline.out]).toEqual([0, 'works\n']);
  expect(offline.err).toContain('the seat that was taken along before is used');
  expect(await take(url, '--borrow', '49h').ended).toBe(69); // more than the licence allows
  const args = ['return', '--product', 'erp', '--user', 'anna', '--host', 'pc'];
  const back = spawn(process.execPath, [join(repository, 'cli/licence.ts'), ...args], {
    env: { PATH: process.env.PATH, HOME: '/', LICENCE_SERVER_URL: url, XDG_STATE_HOME: dir },
    stdio: 'ignore',
  });
  expect(await new Promise((resolve) => back.on('close', resolve))).toBe(0);
  expect(await holders()).toEqual([]);
  expect(await take('http://127.0.0.1:9', '--borrow', '48h').ended).toBe(70); // nothing is here any more
});
