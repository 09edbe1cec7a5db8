import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { relayTo, type TcpRelay, throughRelay } from '../../support/tcpRelay.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ServerProcess, until } from '../server/support/serverProcess.ts';

let database: TestDatabase;
let relay: TcpRelay;
let dir: string;
let authority: ServerProcess;
beforeAll(async () => {
  database = await createTestDatabase();
  relay = await relayTo(database.url);
  dir = mkdtempSync(join(tmpdir(), 'authority-'));
  authority = await ServerProcess.start(
    { DATABASE_URL: throughRelay(database.url, relay), AUTHORITY_DATA_DIR: dir, AUTHORITY_LISTEN: '127.0.0.1:0' },
    'authority',
  );
}, 120_000);
afterAll(async () => {
  await authority.stop('SIGKILL');
  await relay[Symbol.asyncDispose]();
  await database.drop();
  rmSync(dir, { recursive: true });
});

it('the authority without its database: 503 with Retry-After and the request id, unready with the reason, and back by itself', async () => {
  const token = readFileSync(join(dir, 'tokens', 'vendor'), 'utf8')
    .trim()
    .split(/\s+/)[0];
  const list = async () => fetch(`${authority.address}/v1/licences`, { headers: { authorization: `Bearer ${token}` } });
  expect((await list()).status).toBe(200);
  relay.set('refuse');
  const refused = await list();
  const id = refused.headers.get('x-request-id');
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(id).toMatch(/^\w+-\w+$/);
  expect(await refused.json()).toMatchObject({ reason: 'StoreUnavailable', requestId: id });
  await until('the log to have it', async () => authority.output.includes(`"requestId":"${id}"`));
  const ready = await fetch(`${authority.address}/healthz/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ detail: expect.stringMatching(/^the database does not do its work: \S/) });
  relay.set('pass');
  await until('it to be back', async () => (await list()).status === 200);
  expect((await fetch(`${authority.address}/healthz/ready`)).status).toBe(200);
}, 120_000);
