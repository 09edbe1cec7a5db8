import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ReplicatedPostgres, startReplicatedPostgres } from '../../support/replicatedPostgres.ts';
import { relayTo, type TcpRelay, throughRelay } from '../../support/tcpRelay.ts';
import { type Computer, createComputer, ServerProcess, until } from './support/serverProcess.ts';

let computer: Computer;
let postgres: ReplicatedPostgres;
let relay: TcpRelay;
const servers: ServerProcess[] = [];
const patient = 90_000;

const start = async () => {
  const url = throughRelay(postgres.primary.url, relay);
  const server = await ServerProcess.start({
    ...computer.env,
    DATABASE_URL: url,
    LICENCE_CLEAR_STALE: 'never',
    LICENCE_LEASE_SECONDS: '120',
  });
  servers.push(server);
  return server;
};
const ready = async (server: ServerProcess) => server.call('GET', '/healthz/ready');

beforeEach(async () => {
  computer = await createComputer(1_000);
  postgres = await startReplicatedPostgres();
  relay = await relayTo(postgres.primary.url);
}, 120_000);
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop('SIGKILL')));
  await relay[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
  computer.remove();
});

it('an address that leads to the old primary, now a standby, for a moment: 503 with the reason, and back by itself', async () => {
  const server = await start();
  const { leaseId } = (await server.checkOut('anna')).body;
  await postgres.primary.stop('SIGINT');
  await postgres.promote();
  await postgres.rejoin(); // the address still leads there
  const told = await until(
    'readiness to fall with the reason',
    async () => {
      await server.checkOut('somebody');
      const { status, body } = await ready(server);
      return status === 503 && String(body).includes('standby') && String(body);
    },
    patient,
  );
  expect(told).toMatch(/^the database refuses work \(.*\): it is a standby: nothing can be written/);
  const refused = await fetch(`${server.address}/v1/checkouts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ product: 'erp', holder: { base: 'b', user: 'boris', host: 'h' } }),
  });
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await refused.json()).toMatchObject({
    reason: 'StoreUnavailable',
    requestId: refused.headers.get('x-request-id'),
  });

  relay.leadTo(postgres.standby.port); // no connection is cut
  await until('a check-out to work', async () => (await server.checkOut('boris')).status === 201, patient);
  await until('readiness to come back', async () => (await ready(server)).status === 200, patient);
  expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
  expect((await server.call('GET', '/v1/status')).body.trouble).toBeUndefined();
  const rows = await postgres.primary.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'licence-server'");
  expect(rows).toEqual([]);
}, 240_000);

it('a database that is closed to writers and opened again: no 500, and back by itself', async () => {
  const server = await start();
  const statuses = new Set<number>();
  const tryAll = async () => {
    statuses.add((await server.checkOut('anna')).status);
    statuses.add((await server.call('GET', '/v1/usage?product=erp')).status);
    statuses.add((await server.call('POST', '/v1/stale:release', { reason: 'test' })).status);
  };
  await tryAll();
  await postgres.primary.query('ALTER DATABASE postgres SET default_transaction_read_only = on');
  const cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'licence-server'";
  await postgres.primary.query(cut);
  const told = await until(
    'readiness to fall with the reason',
    async () => {
      await tryAll();
      const { status, body } = await ready(server);
      return status === 503 && /read-only: default_transaction_read_only is on/.test(String(body)) && String(body);
    },
    patient,
  );
  expect(told).toContain('the database refuses work');
  await postgres.primary.query('BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT');
  await until('a check-out to work', async () => (await server.checkOut('boris')).status === 201, patient);
  await until('readiness to come back', async () => (await ready(server)).status === 200, patient);
  await tryAll();
  for (const status of statuses) expect([200, 201, 503]).toContain(status);
}, 240_000);

it('connections that stay on an old primary which was not stopped are given up, and the start waits for a primary', async () => {
  relay.leadTo(postgres.standby.port);
  let output = '';
  const starting = start().then((server) => {
    output = server.output;
    return server;
  });
  relay.leadTo(postgres.standby.port);
  await until('the address to be used', async () => relay.attempts > 2, patient);
  await postgres.primary.query('SELECT 1');
  relay.leadTo(postgres.primary.port);
  const server = await starting;
  expect(output).toContain('it is a standby: nothing can be written');
  expect(output).toContain('name the primary in DATABASE_URL');

  expect((await server.checkOut('anna')).status).toBe(201);
  await postgres.promote(); // two primaries: nobody has closed the old one
  relay.leadTo(postgres.standby.port);
  const sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'licence-server'";
  await until(
    'the old primary to be left',
    async () => {
      await server.checkOut('boris');
      return (await postgres.primary.query(sessions)).length === 0;
    },
    patient,
  );
  expect((await server.checkOut('vera')).status).toBe(201);
  const held = await postgres.standby.query("SELECT 1 FROM lease WHERE holder LIKE '%vera%'");
  expect(held).toHaveLength(1);
}, 240_000);
