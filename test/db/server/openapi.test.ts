import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from './support/seatServer.ts';

let database: TestDatabase;
let s: SeatServer;
beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  s = await startSeatServer(database.url);
});
afterAll(async () => {
  await s.stop();
  await database.drop();
});

it('the document names what each route answers: refusals as problem documents, the rest by status and type', async () => {
  const { paths } = (await s.call('GET', '/openapi.json')).body;
  const answers = (path: string, method: string) =>
    Object.entries(paths[path][method].responses).map(([status, response]) => [
      status,
      ...Object.keys((response as { content?: object }).content ?? {}),
    ]);
  const refused = ['4XX', '5XX'].map((status) => [status, 'application/problem+json']);
  expect(answers('/v1/checkouts', 'post')).toEqual([
    ['200', 'application/json'],
    ['201', 'application/json'],
    ['409', 'application/problem+json'],
    ...refused,
  ]);
  expect(answers('/v1/leases/{leaseId}', 'delete')).toEqual([['204'], ...refused]);
  expect(answers('/v1/leases/{leaseId}:release', 'post')).toEqual([
    ['204'],
    ['404', 'application/problem+json'],
    ['409', 'application/problem+json'],
    ...refused,
  ]);
  expect(answers('/v1/usage', 'get')).toEqual([['200', 'application/json'], ...refused]);
  expect(answers('/v1/usage.csv', 'get')).toEqual([['200', 'text/csv'], ...refused]);
  expect(paths['/healthz/ready'].get.security).toEqual([]);
  expect(paths['/v1/status'].get.security).toBeUndefined();
});

it.each([
  ['POST', '/v1/stale:release', { reason: 'x', product: '\u0000' }],
  ['GET', '/v1/denials?product=%00', undefined],
  ['GET', '/v1/denials?from=0000-01-01', undefined],
  ['GET', '/v1/denials?to=9999-12-31T23:59:59-23:59', undefined],
  ['GET', '/v1/usage?from=0000-01-01&step=31622400', undefined],
] as const)('%s %s is refused before the database refuses it', async (method, path, body) => {
  const answer = await s.call(method, path, body);
  expect([answer.status, answer.body.reason]).toEqual([400, 'InvalidRequest']);
});

it.each([
  ['half a surrogate pair', '%ed%a0%80', 400],
  ['a name that is far too long', 'x'.repeat(3_000), 414],
])('a path with %s is refused like everything else: by a problem document', async (_what, name, status) => {
  const answer = await s.call('PUT', `/v1/bases/${name}/sessions`, { sessions: [] });
  expect([answer.status, answer.headers['content-type'], answer.body.reason]).toEqual([
    status,
    'application/problem+json',
    'InvalidRequest',
  ]);
});
