import pg from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, type Template } from '../support/testDatabase.ts';

let prepared = 0;
const template: Template = {
  name: 'of_this_test',
  prepare: async (url) => {
    prepared += 1;
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('create table colour (name text); insert into colour values ($$red$$)');
    await client.end();
  },
};
const countOf = async (url: string, sql: string): Promise<number | null> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rowCount } = await client.query(sql);
  await client.end();
  return rowCount;
};

it('databases of one template are copies that do not see each other, and the template is prepared once', async () => {
  const databases = await Promise.all([1, 2, 3].map(() => createTestDatabase(template)));
  const [first, second] = databases.map((d) => d.url);
  if (first === undefined || second === undefined) throw new Error('two databases were asked for');
  await countOf(first, "insert into colour values ('blue')");
  expect(await countOf(first, 'select * from colour')).toBe(2);
  expect(await countOf(second, 'select * from colour')).toBe(1);
  expect(prepared).toBe(1);
  await Promise.all(databases.map((d) => d.drop()));
  await expect(countOf(first, 'select 1')).rejects.toThrow('does not exist');
});

it('a preparation that fails is not taken for a template', async () => {
  const broken: Template = { name: 'broken', prepare: () => Promise.reject(new Error('no such column')) };
  await expect(createTestDatabase(broken)).rejects.toThrow('no such column');
  await expect(createTestDatabase(broken)).rejects.toThrow('no such column');
});
