import fc from 'fast-check';
import { Pool } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKey } from '../../licence/key.ts';
import { type Computer, createComputer, ServerProcess } from '../db/server/support/serverProcess.ts';
import { dereferenced } from '../support/dereferenced.ts';
import { createTestDatabase, type TestDatabase } from '../support/testDatabase.ts';
import { AnswerJudge, callsOf, type OpenApi } from './support/openapi.ts';
import { record, say, size } from './support/size.ts';

const calls = size('CHAOS_FUZZ', 300);
const seed = size('CHAOS_SEED', 1 + Math.floor(Math.random() * 1_000_000));

let computer: Computer;
let database: TestDatabase;
let server: ServerProcess;
let pool: Pool;
beforeAll(async () => {
  computer = await createComputer(20);
  database = await createTestDatabase({ name: 'chaos_empty', prepare: async () => {} });
  server = await ServerProcess.start({ ...computer.env, DATABASE_URL: database.url });
  pool = new Pool(server.address, { connections: 4 });
});
afterAll(async () => {
  await pool.destroy();
  await server.stop();
  await database.drop();
  computer.remove();
});

it('requests made from its own OpenAPI document: no 5xx but that no authority is there, and every answer is as the document says', {
  timeout: 60_000 + calls * 2_000,
}, async () => {
  const document = dereferenced((await server.call('GET', '/openapi.json')).body) as OpenApi;
  expect(document.openapi).toMatch(/^3\.1/);
  const lease = await server.checkOut('somebody');
  const moments = ['2026-01-31T12:00:00Z', '2026-02-30', '0000-01-01', '9999-12-31T23:59:59-23:59', '2026-01-01'];
  const ids = [String(lease.body.leaseId), '01234567-89ab-7fff-8123-456789abcdef'];
  const hints = {
    product: ['erp', 'erp', 'none'],
    base: ['b', 'бухгалтерия'],
    user: Array.from({ length: 30 }, (_, i) => `u${i}`),
    host: ['h'],
    leaseId: ids,
    leaseIds: ids,
    key: [createKey(new Uint8Array(16)), createKey(new Uint8Array(16)).toLowerCase()],
    from: moments,
    to: moments,
    programReleasedOn: moments,
    cursor: ['WzEsIngiXQ', 'WzllOTksIngiXQ'],
    '': ['x', 'a reason'],
  };
  const judge = new AnswerJudge();
  const statuses = new Map<string, number>();
  const faults = new Map<string, string>();
  let sent = 0;
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      for (const call of fc.sample(callsOf(path, operation, hints), { numRuns: calls, seed })) {
        // a wait for a seat is of no use here, and long
        const body = call.body?.replace(/"wait":[1-9]\d*/g, '"wait":1');
        const answer = await pool.request({
          method: method.toUpperCase() as 'GET',
          path: call.path,
          headers: call.contentType === undefined ? {} : { 'content-type': call.contentType },
          ...(body === undefined || method === 'get' ? {} : { body }),
        });
        const text = await answer.body.text();
        sent += 1;
        const status = answer.statusCode;
        statuses.set(`${status}`, (statuses.get(`${status}`) ?? 0) + 1);
        const what = `${method.toUpperCase()} ${path}`;
        const type = String(answer.headers['content-type'] ?? '');
        // without an authority a well-formed key cannot be judged, and that is what it says
        const mayFail = status === 503 && text.includes('"AuthorityUnreachable"');
        const fault = status >= 500 && !mayFail ? `${status}` : judge.fault(operation, status, type, text);
        if (fault !== undefined && !faults.has(`${what}: ${fault}`))
          faults.set(`${what}: ${fault}`, `${call.path} ${call.contentType} ${body} -> ${text}`.slice(0, 1_000));
      }
    }
  }
  for (const [fault, example] of faults) say(`  ${fault}\n      ${example}`);
  const counts = [...statuses].sort(([a], [b]) => (a < b ? -1 : 1)).map(([status, n]) => `${status}: ${n}`);
  record({
    claim:
      'requests made from the OpenAPI document: no 5xx but that no authority is there, every answer is as the document says',
    size: `${sent} requests (${counts.join(', ')})`,
    violations: faults.size,
    detail: `seed ${seed}`,
  });
  expect([...faults.keys()]).toEqual([]);
  expect((await server.call('GET', '/healthz/ready')).status).toBe(200);
});
