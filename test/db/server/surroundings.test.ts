import { chmodSync, chownSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureDebian } from '../../../cluster/debian.ts';
import { socketPlace } from '../../../runtime/postgres/dataDirectory.ts';
import { ownerOfData, unprivilegedAccount } from '../../../runtime/postgres/programs.ts';
import { repository } from '../../support/sources.ts';
import { type Computer, createComputer, postgresOf, ServerProcess, until } from './support/serverProcess.ts';

// What a container platform, a volume or a node does to the program. As root only: who else can make another user of himself?
const asRoot = process.platform === 'linux' && process.getuid?.() === 0;
const program = [process.execPath, join(repository, 'server/main.ts')];
const nobodys = 54_321; // in no user database
let computer: Computer;
const running: ServerProcess[] = [];

beforeEach(async () => {
  computer = await createComputer(100);
});
afterEach(async () => {
  for (const server of running) server.child.kill('SIGKILL');
  await Promise.all(running.splice(0).map((server) => server.exited));
  await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
  computer.remove();
});
const start = async (command?: readonly string[]) => {
  const server = await ServerProcess.start(computer.env, 'server', undefined, command);
  running.push(server);
  return server;
};
const everything = (): string[] => [
  computer.dataDir,
  ...(readdirSync(computer.dataDir, { recursive: true }) as string[]).map((name) => join(computer.dataDir, name)),
];
const dataOf = (): string => {
  const root = join(computer.dataDir, 'postgres');
  return join(root, readdirSync(root).find((name) => /^\d+$/.test(name)) ?? '');
};
/** As a kubelet does for a volume with a group. */
function giveToGroup(gid: number): void {
  for (const path of everything()) {
    const { mode, uid } = lstatSync(path);
    chownSync(path, uid, gid);
    chmodSync(path, (mode & 0o7777) | (statSync(path).isDirectory() ? 0o2070 : 0o060));
  }
}

describe.runIf(asRoot)('the surroundings', () => {
  it('rights for the group of a volume are put right, and said; data of another user are refused with the command', async () => {
    const first = await start();
    const { leaseId } = (await first.checkOut('anna')).body;
    expect(await first.stop()).toBe(0);
    giveToGroup(nobodys);
    expect(statSync(dataOf()).mode & 0o7777).toBe(0o2770);

    const second = await start();
    expect((await second.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
    expect(second.output).toContain('the rights of the data are put right');
    expect(statSync(dataOf()).mode & 0o7777).toBe(0o700);
    expect(await second.stop()).toBe(0);

    const foreign = join(dataOf(), 'PG_VERSION');
    chownSync(foreign, nobodys, nobodys);
    const third = await start();
    expect(await third.exited).toBe(1);
    const { uid, gid } = ownerOfData(unprivilegedAccount());
    expect(third.output).toContain(
      `${foreign} belongs to user ${nobodys}, and PostgreSQL runs as user ${uid}: chown -R ${uid}:${gid} '${dataOf()}'`,
    );
    expect(postgresOf(computer.dataDir)).toEqual([]);
  }, 120_000);

  it('a user without a name runs it, from nothing', async () => {
    await ensureDebian(['libnss-wrapper'], 'to give a user a name');
    chmodSync(dirname(computer.dataDir), 0o755);
    for (const path of everything()) chownSync(path, nobodys, nobodys);
    const server = await start([
      ...['setpriv', `--reuid=${nobodys}`, `--regid=${nobodys}`, '--clear-groups'],
      ...program,
    ]);
    expect((await server.checkOut('anna')).status).toBe(201);
    expect(statSync(dataOf()).uid).toBe(nobodys);
    expect(await server.stop()).toBe(0);
  }, 120_000);

  it('data of another user are taken over where the group of the volume lets this one use them, and there and back; else they are refused', async () => {
    await ensureDebian(['libnss-wrapper'], 'to give a user a name');
    chmodSync(dirname(computer.dataDir), 0o755);
    const group = 54_400;
    const as = (uid: number, groups: string) => start(['setpriv', `--reuid=${uid}`, '--regid=0', groups, ...program]);
    for (const path of everything()) chownSync(path, nobodys, group);
    const first = await as(nobodys, `--groups=${group}`);
    const { leaseId } = (await first.checkOut('anna')).body;
    expect(await first.stop()).toBe(0);
    for (const uid of [nobodys + 1, nobodys]) {
      giveToGroup(group);
      const stranger = await as(54_500, '--clear-groups');
      expect(await stranger.exited).toBe(1);
      const server = await as(uid, `--groups=${group}`);
      expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
      expect((await server.checkOut(`of ${uid}`)).status).toBe(201);
      expect(server.output).toContain(`and PostgreSQL runs as user ${uid}`);
      expect(statSync(dataOf())).toMatchObject({ uid });
      expect(statSync(dataOf()).mode & 0o777).toBe(0o700);
      // a crash: what it wrote last is recovered by the same user
      await server.stop('SIGKILL');
      await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
      const again = await as(uid, `--groups=${group}`);
      expect((await again.call('GET', '/v1/status')).body.products[0].seatsInUse).toBeGreaterThan(1);
      expect(await again.stop()).toBe(0);
    }
  }, 240_000);

  it('takes no huge pages, neither when it makes its data nor when it runs', async () => {
    const server = await start();
    // initdb writes down what its own PostgreSQL ran with
    expect(readFileSync(join(dataOf(), 'postgresql.conf'), 'utf8')).toMatch(/^huge_pages = off/m);
    const host = socketPlace(undefined, join(computer.dataDir, 'postgres'));
    const client = new pg.Client({ host, port: 5432, user: 'licence', database: 'licence' });
    await client.connect();
    expect((await client.query('SHOW huge_pages')).rows).toEqual([{ huge_pages: 'off' }]);
    await client.end();
    expect(await server.stop()).toBe(0);
  }, 120_000);

  it('as an image starts it, no process of a crashed PostgreSQL stays, and it ends cleanly', async () => {
    await ensureDebian(['tini'], 'to start the program as an image does');
    const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8');
    const entry: string[] = JSON.parse(/^ENTRYPOINT (\[.*\/server\/main\.js"\])$/m.exec(dockerfile)?.[1] ?? '[]');
    const words = entry.map((word) => (word.endsWith('main.js') ? join(repository, 'server/main.ts') : word));
    const inPidNamespace = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const server = await start([...inPidNamespace, ...words]);
    const childrenOf = (pid: number | undefined) =>
      readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    const [first] = childrenOf(server.child.pid);
    const stateOf = (pid: number) => /^State:\s+(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    for (let crash = 0; crash < 2; crash++) {
      const pids = postgresOf(computer.dataDir);
      const postmaster = pids.find((pid) => childrenOf(pid).some((child) => pids.includes(child)));
      if (postmaster === undefined) throw new Error(`no postmaster among ${pids}`);
      process.kill(postmaster, 'SIGKILL');
      await until('PostgreSQL to come back', async () => {
        const now = postgresOf(computer.dataDir);
        return (
          now.length > 0 && !now.some((pid) => pids.includes(pid)) && (await server.checkOut('anna')).status <= 201
        );
      });
    }
    expect(childrenOf(first).map(stateOf)).not.toContain('Z');
    process.kill(first ?? 0, 'SIGTERM');
    expect(await server.exited).toBe(0);
  }, 150_000);
});
