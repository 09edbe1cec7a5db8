import { connect } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createKey, keyIdOf } from '../../../licence/key.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from './support/seatServer.ts';
import { createComputer, ServerProcess, until } from './support/serverProcess.ts';

let database: TestDatabase;
let s: SeatServer;
let address: URL;
beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  s = await startSeatServer(database.url);
  address = new URL(await s.app.listen({ host: '127.0.0.1', port: 0 }));
});
afterAll(async () => {
  await s.stop();
  await database.drop();
});
beforeEach(() => s.store.db.query('DELETE FROM audit'));

const acts = async () => (await s.call('GET', '/v1/audit')).body.acts;
/** Sends a request and hangs up as soon as `then` has happened. */
const sendAndHangUp = async (path: string, body: object, then: () => Promise<unknown>) => {
  const socket = connect(Number(address.port), address.hostname);
  socket.on('error', () => {});
  const payload = JSON.stringify(body);
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${payload.length}\r\n\r\n${payload}`,
  );
  await then();
  socket.resetAndDestroy();
};

it('an act whose client hangs up before the answer is kept like any other', async () => {
  const { leaseId } = (await s.checkOut('anna')).body;
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  try {
    await other.query('BEGIN; SELECT 1 FROM pool FOR UPDATE');
    // the act waits for the pool, its row is there already
    await sendAndHangUp(`/v1/leases/${leaseId}:release`, { reason: 'unseen' }, () =>
      until('the act to be noted', async () => (await acts()).length === 1),
    );
    expect(await acts()).toMatchObject([{ outcome: 'unknown' }]);
    await other.query('COMMIT');
  } finally {
    await other.end();
  }
  await until('the seat to be taken back', async () => (await s.call('GET', '/v1/leases')).body.leases.length === 0);
  await until('the act to be done', async () => (await acts())[0]?.outcome === undefined);
  expect(await acts()).toMatchObject([
    { action: expect.stringContaining(':release'), target: leaseId, reason: 'unseen', actor: 'admin (127.0.0.1)' },
  ]);
});

it('an act that is refused is none', async () => {
  const { leaseId } = (await s.checkOut('clara')).body;
  const release = async () => (await s.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'x' })).status;
  expect([await release(), await release()]).toEqual([204, 404]);
  expect(await acts()).toHaveLength(1);
});

it('an act that cannot be noted is not done', async () => {
  const { leaseId } = (await s.checkOut('boris')).body;
  await s.store.db.query('ALTER TABLE audit RENAME TO audit_away');
  try {
    expect((await s.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'x' })).status).toBeGreaterThanOrEqual(500);
    expect((await s.call('GET', '/v1/leases')).body.leases).toHaveLength(1);
  } finally {
    await s.store.db.query('ALTER TABLE audit_away RENAME TO audit');
  }
  expect((await s.call('POST', `/v1/leases/${leaseId}:release`, { reason: 'x' })).status).toBe(204);
});

/** A server that is asked to install a key, and has no authority to ask about it. */
async function afterInstalling(key: string, env: Record<string, string>, headers: Record<string, string>) {
  const computer = await createComputer(5);
  await using other = await createTestDatabase();
  const server = await ServerProcess.start({ ...computer.env, DATABASE_URL: other.url, ...env });
  try {
    const answer = await fetch(`${server.address}/v1/keys`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ key }),
    });
    expect(answer.status).toBe(503);
    return (await server.call('GET', '/v1/audit')).body;
  } finally {
    await server.stop();
    computer.remove();
  }
}
const key = createKey(Buffer.alloc(16, 5));

it('says which key was about to be installed, never the key', async () => {
  const told = await afterInstalling(key.toLowerCase(), {}, { 'x-forwarded-for': '203.0.113.9' });
  expect(told.acts).toMatchObject([
    { action: 'POST /v1/keys', target: keyIdOf(key), actor: 'admin (127.0.0.1)', outcome: 'unknown' },
  ]);
  expect(JSON.stringify(told).toUpperCase()).not.toContain(key.slice(0, 11));
});

it('says who asked behind a trusted proxy', async () => {
  const trusting = { LICENCE_TRUSTED_PROXIES: '127.0.0.0/8' };
  const told = await afterInstalling(key, trusting, { 'x-forwarded-for': '203.0.113.9' });
  expect(told.acts).toMatchObject([{ action: 'POST /v1/keys', actor: 'admin (203.0.113.9)' }]);
});
