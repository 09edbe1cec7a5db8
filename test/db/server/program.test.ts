import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type Computer,
  createComputer,
  postgresOf,
  postmasterOf,
  ServerProcess,
  until,
} from './support/serverProcess.ts';

let computer: Computer;
let running: ServerProcess[] = [];
const start = async (env: Record<string, string> = {}) => {
  const server = await ServerProcess.start({ ...computer.env, ...env });
  running.push(server);
  return server;
};

beforeEach(async () => {
  computer = await createComputer(1_000);
});
afterEach(async () => {
  await Promise.all(running.map((server) => server.stop('SIGKILL')));
  running = [];
  await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
  computer.remove();
});

/** Asked again while the server is finding its way back to the database. */
const heldUsers = (server: ServerProcess): Promise<string[]> =>
  until('the list of leases', async () => {
    const { status, body } = await server.call('GET', '/v1/leases?limit=1000');
    return status === 200 && body.leases.map((l: { holder: { user: string } }) => l.holder.user);
  });

describe('a server on its own', () => {
  it('starts from nothing, and keeps its seats over a stop', async () => {
    const first = await start();
    const granted = await first.checkOut('anna');
    expect(granted.status).toBe(201);
    const stopping = Date.now();
    expect(await first.stop()).toBe(0);
    expect(Date.now() - stopping).toBeLessThan(10_000);
    expect(postgresOf(computer.dataDir)).toEqual([]);
    const second = await start();
    expect((await second.call('POST', `/v1/leases/${granted.body.leaseId}/heartbeat`)).status).toBe(200);
    expect((await second.checkOut('anna')).body.leaseId).toBe(granted.body.leaseId);
  });

  it('answers every request that is under way when it is told to stop', async () => {
    const server = await start();
    await server.checkOut('first');
    const asked = Array.from({ length: 30 }, (_, i) =>
      server.checkOut(`user${i}`).then(
        (a) => a.status,
        () => 'cut',
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    const [code, ...answers] = await Promise.all([server.stop(), ...asked]);
    expect(code).toBe(0);
    expect(answers.filter((a) => a !== 201 && a !== 'cut')).toEqual([]);
    const again = await start();
    expect((await heldUsers(again)).length - 1).toBeGreaterThanOrEqual(answers.filter((a) => a === 201).length);
  });

  it('refuses a second server on the same directory and names the first', async () => {
    const first = await start();
    const second = await start();
    expect(await second.exited).toBe(1);
    expect(second.output).toContain(`is in use by another licence-server (process ${first.child.pid} `);
    expect((await first.checkOut('anna')).status).toBe(201);
  });

  it('makes tokens that only their owner can read, and never writes one into its log', async () => {
    const server = await start({ LICENCE_ACCESS: 'token', LOG_LEVEL: 'trace' });
    const file = join(computer.dataDir, 'tokens', 'admin');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const token = readFileSync(file, 'utf8').trim();
    expect((await server.call('GET', '/v1/status')).status).toBe(401);
    const { status } = await fetch(`${server.address}/v1/status`, { headers: { authorization: `Bearer ${token}` } });
    expect(status).toBe(200);
    const wrong = await fetch(`${server.address}/v1/status`, { headers: { authorization: 'Bearer guessed-token' } });
    expect(wrong.status).toBe(401);
    await server.stop();
    expect(server.output).toContain(join(computer.dataDir, 'tokens'));
    for (const secret of [token, 'guessed-token', 'PRIVATE KEY']) expect(server.output).not.toContain(secret);
  });
});

describe('what cannot work is said at the start', () => {
  it('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.on('listening', resolve));
    const { port } = other.address() as { port: number };
    const server = await start({ LICENCE_LISTEN: `127.0.0.1:${port}` });
    expect(await server.exited).toBe(1);
    expect(server.output).toContain(`port ${port} on 127.0.0.1 is in use; stop the other program`);
    expect(postgresOf(computer.dataDir)).toEqual([]);
    other.close();
  });

  it('a Licence folder that is no folder', async () => {
    rmSync(join(computer.dataDir, 'Licence'), { recursive: true });
    writeFileSync(join(computer.dataDir, 'Licence'), '');
    const server = await start();
    expect(await server.exited).toBe(1);
    expect(server.output).toContain(`cannot use ${join(computer.dataDir, 'Licence')}`);
  });

  it('all faults of the environment at once', async () => {
    const server = await start({
      LICENCE_LISTEN: 'here',
      LICENCE_LEASE_SECONDS: '0',
      LICENCE_CLEAR_STALE: 'often',
      LICENCE_RESERVATIONS: '[{"seats":1}]',
      LICENCE_ACESS: 'open',
    });
    expect(await server.exited).toBe(2);
    for (const name of [
      'LICENCE_LISTEN',
      'LICENCE_LEASE_SECONDS',
      'LICENCE_CLEAR_STALE',
      'LICENCE_RESERVATIONS',
      'LICENCE_ACESS',
    ]) {
      expect(server.output).toContain(name);
    }
  });

  it('data of a PostgreSQL that is not installed', async () => {
    mkdirSync(join(computer.dataDir, 'postgres', '9'), { recursive: true });
    const server = await start();
    expect(await server.exited).toBe(1);
    expect(server.output).toMatch(
      /the data is of PostgreSQL 9, and only a PostgreSQL 9 can read them, which is not here .*: install it beside/,
    );
  });

  it('a tokens directory without an admin token', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'tokens-'));
    const server = await start({ LICENCE_ACCESS: 'token', LICENCE_TOKENS_DIR: dir });
    expect(await server.exited).toBe(1);
    expect(server.output).toContain(`${join(dir, 'admin')} has no token`);
    rmSync(dir, { recursive: true });
  });
});

describe('a crash', () => {
  /** Check-outs in a stream until told to stop; answers who was told to have a seat. */
  const load = (server: ServerProcess, from: number) => {
    const acked: string[] = [];
    let on = true;
    const worker = async (n: number) => {
      for (let i = 0; on; i++) {
        const user = `u${from}-${n}-${i}`;
        const answer = await server.checkOut(user).catch(() => undefined);
        if (answer?.status === 201) acked.push(user);
      }
    };
    const done = Promise.all([0, 1, 2, 3].map(worker));
    return async () => {
      on = false;
      await done;
      return acked;
    };
  };

  it('of the server, of PostgreSQL or of both loses no seat that was acknowledged', async () => {
    const rounds = Number(process.env.CRASH_ROUNDS ?? 6);
    const acked: string[] = [];
    let server = await start();
    for (let round = 0; round < rounds; round++) {
      const finish = load(server, round);
      await until('some seats', async () => (await heldUsers(server)).length >= acked.length + 40);
      const victim = round % 3;
      const postmaster = postmasterOf(computer.dataDir);
      if (victim !== 0) process.kill(postmaster, 'SIGKILL');
      if (victim !== 1) {
        await server.stop('SIGKILL');
        acked.push(...(await finish()));
        server = await start();
      } else {
        acked.push(...(await finish()));
        await until('PostgreSQL to come back', async () => (await server.checkOut(`after${round}`)).status <= 201);
      }
      const held = new Set(await heldUsers(server));
      expect(acked.filter((user) => !held.has(user))).toEqual([]);
      // a connection of before PostgreSQL's end may still be told of it
      const { products } = await until('a status', async () => {
        const { status, body } = await server.call('GET', '/v1/status');
        return status === 200 && body;
      });
      expect(products[0].seatsInUse).toBe(held.size);
      if (held.size > 700) break;
    }
    console.log(`${rounds} crashes, ${acked.length} acknowledged seats, none lost`);
    expect(acked.length).toBeGreaterThan(0);
    expect(await server.stop()).toBe(0);
    expect(existsSync(join(computer.dataDir, 'licence-server.pid'))).toBe(false);
  }, 300_000);
});
