import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callStatement } from '../../../server/db/statement.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  client.on('error', () => {}); // told by the rejected call
  await client.connect();
});
afterAll(async () => {
  await client.end().catch(() => {});
  await database.drop();
});

const echo = { name: 'echo', text: 'SELECT $1::text, $2::int * 2, $3::text::text[]' };

it('answers the columns as texts, of the first call and of later ones', async () => {
  expect(await callStatement(client, echo, ['Ж "и" \\', 21, '{a,"b c"}'])).toEqual(['Ж "и" \\', '42', '{a,"b c"}']);
  expect(await callStatement(client, echo, ['', -1, null])).toEqual(['', '-2', null]);
  const { rows } = await client.query("SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name = 'echo'");
  expect(rows[0].n).toBe(1);
});

it('fails with the error of the database, and works afterwards, also when the very first call failed', async () => {
  const divide = { name: 'divide', text: 'SELECT 6 / $1::int' };
  await expect(callStatement(client, divide, [0])).rejects.toMatchObject({ code: '22012' });
  await expect(callStatement(client, divide, [0])).rejects.toMatchObject({ code: '22012' });
  expect(await callStatement(client, divide, [3])).toEqual(['2']);
  await expect(callStatement(client, divide, [0])).rejects.toMatchObject({ code: '22012' });
  expect(await callStatement(client, divide, [2])).toEqual(['3']);
  await expect(callStatement(client, { name: 'bad', text: 'SELECT nothing FROM nowhere' }, [])).rejects.toMatchObject({
    code: '42P01',
  });
});

it('takes a statement without a row for a fault', async () => {
  await expect(callStatement(client, { name: 'none', text: 'SELECT 1 WHERE false' }, [])).rejects.toThrow(
    'none answered no row',
  );
});

it('carries a large text', async () => {
  const large = 'я'.repeat(300_000);
  const [length] = await callStatement(client, { name: 'size', text: 'SELECT octet_length($1::text)' }, [large]);
  expect(length).toBe('600000');
});

it('fails when the connection is lost on the way, and at once when it was lost before', async () => {
  const lost = new pg.Client({ connectionString: database.url });
  lost.on('error', () => {});
  await lost.connect();
  const { rows } = await lost.query('SELECT pg_backend_pid() AS pid');
  const waiting = callStatement(lost, { name: 'sleep', text: 'SELECT pg_sleep(60)::text' }, []);
  await client.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
  await expect(waiting).rejects.toThrow(/terminat/);
  await expect(callStatement(lost, echo, ['a', 1, null])).rejects.toThrow();
});

it('leaves no timer behind where the driver has a time limit for each call', async () => {
  const limited = new pg.Client({ connectionString: database.url, query_timeout: 600_000 });
  limited.on('error', () => {}); // the database is dropped under it
  await limited.connect();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  for (let i = 0; i < 50; i++) await callStatement(limited, echo, ['a', i, null]);
  await callStatement(limited, { name: 'wrong', text: 'SELECT 1 / $1::int' }, [0]).catch(() => {});
  expect(timers()).toBeLessThan(before + 10);
  await limited.end();
});
