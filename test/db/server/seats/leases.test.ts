import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let s: SeatServer;
beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  s = await startSeatServer(database.url, { licences: [{ seatLimit: 50 }, { product: 'trade', seatLimit: 50 }] });
  const take = (user: string, base: string, host: string, product = 'erp', session = '') =>
    s.call('POST', '/v1/checkouts', { product, mode: 'sticky', holder: { base, user, host, session } });
  const granted = [
    await take('Иванов Иван', 'Бухгалтерия', 'pc-1'),
    await take('ИВАНОВ ИВАН', 'Склад', 'pc-2'),
    await take('Алёна', 'Бухгалтерия', 'pc-3'),
    await take('o.brien+x', 'trade (main)', 'WS-7'),
    await take('anna', 'trade (main)', 'ws-8', 'trade', 's-42'),
    await take('anna', 'Склад', 'ws-8', 'erp', 's-43'),
    await take('anna', 'Склад', 'ws-8', 'trade', 's-44'),
  ];
  expect(granted.map(({ status }) => status)).toEqual(Array(7).fill(201));
});
afterAll(async () => {
  await s.stop();
  await database.drop();
});

interface Seat {
  holder: { user: string; base: string; host: string; session: string };
  acquiredAt: string;
}
const found = async (query: Record<string, string>): Promise<Seat[]> => {
  const answer = await s.call('GET', `/v1/leases?${new URLSearchParams(query)}`);
  expect(answer.status).toBe(200);
  return answer.body.leases;
};
const usersBy = async (search: string) => (await found({ search })).map(({ holder }) => holder.user).sort();

describe('a search', () => {
  it.each([
    ['иван', ['ИВАНОВ ИВАН', 'Иванов Иван']],
    ['ВАНОВ', ['ИВАНОВ ИВАН', 'Иванов Иван']],
    ['иван склад', ['ИВАНОВ ИВАН']],
    ['алена', ['Алёна']],
    ['ann', ['anna', 'anna', 'anna']],
    ['s-43', ['anna']],
    ['S-43 ANNA', ['anna']],
    ['алёна', ['Алёна']],
    ['ws-7', ['o.brien+x']],
    ['.', ['o.brien+x']],
    ['n+x', ['o.brien+x']],
    ['(main)', ['anna', 'o.brien+x']],
    ['***=', []],
    ['\\d', []],
    ['%', []],
    ['_', []],
    ['O.BRIEN Main', ['o.brien+x']],
    ['петр', []],
  ])('%s finds parts of names in whatever case, and every letter is only itself', async (search, users) => {
    expect(await usersBy(search)).toEqual([...users].sort());
  });

  it('is one filter of several, in the table too, and goes over pages', async () => {
    expect((await found({ search: 'ann', product: 'trade' })).length).toBe(2);
    const table = await s.call('GET', '/v1/leases.csv?search=s-4&product=erp');
    expect(String(table.body).trim().split('\n')).toHaveLength(2);
    const first = await s.call('GET', '/v1/leases?search=ann&limit=2');
    const rest = await s.call('GET', `/v1/leases?search=ann&limit=2&cursor=${first.body.nextCursor}`);
    expect([first.body.leases.length, rest.body.leases.length, rest.body.nextCursor]).toEqual([2, 1, undefined]);
  });
});

describe('an order', () => {
  const sorts = ['user', 'base', 'host', 'acquiredAt', 'renewedAt'] as const;
  const keyOf = { acquiredAt: (l: Seat) => l.acquiredAt, user: (l: Seat) => l.holder.user.toLowerCase() } as const;

  it.each(sorts.flatMap((sort) => [sort, `-${sort}`]))(
    'by %s goes over pages of any size, each seat once',
    async (sort) => {
      const all = await found({ sort });
      expect(all.length).toBe(7);
      for (const limit of ['1', '3']) {
        const pages: Seat[] = [];
        for (let cursor = ''; ; ) {
          const query = new URLSearchParams({ sort, limit, ...(cursor === '' ? {} : { cursor }) });
          const { body } = await s.call('GET', `/v1/leases?${query}`);
          pages.push(...body.leases);
          if (body.nextCursor === undefined) break;
          cursor = body.nextCursor;
        }
        expect(pages).toEqual(all);
      }
      expect(await found({ sort: sort.startsWith('-') ? sort.slice(1) : `-${sort}` })).toEqual(all.toReversed());
    },
  );

  it.each(['user', 'acquiredAt'] as const)('by %s is one', async (sort) => {
    const keys = (await found({ sort })).map(keyOf[sort]);
    expect(keys).toEqual([...keys].sort());
    expect(new Set(keys).size).toBeGreaterThan(3);
  });

  it('takes a cursor only in the order that it is of', async () => {
    const { body } = await s.call('GET', '/v1/leases?limit=1');
    const byUser = await s.call('GET', '/v1/leases?limit=1&sort=user');
    const made = Buffer.from(JSON.stringify([1, 'x', '2026-02-31 00:00:00+00'])).toString('base64url');
    const wrong = [
      `sort=user&cursor=${body.nextCursor}`,
      `cursor=${byUser.body.nextCursor}`,
      `sort=acquiredAt&cursor=${byUser.body.nextCursor}`,
      `sort=acquiredAt&cursor=${made}`,
      'sort=password',
    ];
    for (const query of wrong) expect((await s.call('GET', `/v1/leases?${query}`)).status, query).toBe(400);
  });
});

describe('people', () => {
  it('come with their seats, the most first, and with what all of their seats share', async () => {
    const { body } = await s.call('GET', '/v1/people');
    expect(body.people.map((p: { user: string; seats: number }) => [p.user, p.seats])).toEqual([
      ['anna', 3],
      ['Иванов Иван', 2],
      ['o.brien+x', 1],
      ['Алёна', 1],
    ]);
    expect(body.people[0]).toMatchObject({ host: 'ws-8', stale: 0 });
    expect(body.people[0]).not.toHaveProperty('product');
    expect(body.people[0]).not.toHaveProperty('base');
    const search = await s.call('GET', '/v1/people?search=склад');
    expect(search.body.people.map((p: { seats: number }) => p.seats)).toEqual([2, 1]);
  });

  it('go over pages', async () => {
    const users: string[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await s.call('GET', `/v1/people?limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      users.push(...body.people.map((p: { user: string }) => p.user));
      if (body.nextCursor === undefined) break;
      cursor = body.nextCursor;
    }
    expect(users).toEqual(['anna', 'Иванов Иван', 'o.brien+x', 'Алёна']);
  });
});

describe('100,000 seats', () => {
  beforeAll(async () => {
    await s.store.db.query(`INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder)
      SELECT (SELECT min(pool_id) FROM pool), 0, gen_random_uuid(), now() - n * interval '1 s', now(), now() + interval '1 hour',
             'бухгалтерия ' || n % 200 || chr(31) || 'сотрудник ' || n % 30000 || chr(31) || 'workstation-' || n || chr(31) || ''
        FROM generate_series(1, 100000) n`);
    await s.store.db.query('ANALYZE lease');
  });

  it.each([
    '/v1/leases?limit=100',
    '/v1/leases?limit=100&search=сотрудник%2029999',
    '/v1/leases?limit=100&search=никого-нет',
    '/v1/leases?limit=100&sort=-renewedAt',
    '/v1/leases?limit=100&sort=user',
    '/v1/people?limit=100',
    '/v1/people?limit=100&search=station-77',
  ])('%s answers at most a page (how fast: npm run bench:pages)', async (path) => {
    const { status, body } = await s.call('GET', path);
    expect(status).toBe(200);
    expect((body.leases ?? body.people).length).toBeLessThanOrEqual(100);
  });
});
