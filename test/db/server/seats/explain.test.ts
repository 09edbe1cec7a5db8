import fc from 'fast-check';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { countings } from '../../../../licence/words.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../support/seatServer.ts';

let database: TestDatabase;
let sql: pg.Client;
let running: SeatServer[] = [];
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
});
afterEach(async () => {
  for (const s of running) await s.stop();
  running = [];
  await sql.end();
  await database.drop();
});
const start = async (options: SeatServerOptions = {}) => {
  const s = await startSeatServer(database.url, options);
  running.push(s);
  return s;
};
const holderOf = (user: string, base = 'buh', host = 'pc') => ({ base, user, host, session: '' });
const ask = async (s: SeatServer, user: string, more: object = {}, base = 'buh', headers = {}) =>
  s.call('POST', '/v1/checkouts:explain', { product: 'erp', holder: holderOf(user, base), ...more }, headers);
const stepsOf = (body: { checks: { check: string; name?: string; verdict: string }[] }) =>
  body.checks.map((c) => `${c.name ?? c.check} ${c.verdict}`);

it('says which rule decides, which were passed and why, and who holds the seats of that rule', async () => {
  const s = await start({
    licences: [{ seatLimit: 9 }],
    rules: [
      { name: 'no-guests', match: { users: ['guest*'] }, allow: false },
      { name: 'two-each', maxEach: 2 },
      { name: 'test-bases', match: { bases: ['test*'] }, max: 1 },
      { name: 'chief', match: { users: ['boss'] }, priority: 5 },
    ],
  });
  await s.checkOut('Anna', {}, 'test-1');
  await s.checkOut('vera', {}, 'trade');
  const refused = (await ask(s, 'boris', {}, 'test-2')).body;
  expect(refused).toMatchObject({ granted: false, outcome: 'denied', reason: 'RuleLimit', rule: 'test-bases' });
  expect(stepsOf(refused)).toEqual(['licence passed', 'no-guests notMatched', 'two-each passed', 'test-bases decided']);
  expect(refused.checks.at(1)).toMatchObject({ unmatched: 'user', says: 'is about others: the user does not match' });
  expect(refused.checks.at(3)).toMatchObject({ used: 1, most: 1, effect: 'max' });
  expect(refused.holders.map((h: { holder: object }) => h.holder)).toEqual([holderOf('Anna', 'test-1')]);
  const granted = (await ask(s, 'boris', {}, 'trade')).body;
  expect([granted.granted, stepsOf(granted)]).toEqual([
    true,
    [
      'licence passed',
      'no-guests notMatched',
      'two-each passed',
      'test-bases notMatched',
      'chief notMatched',
      'seats decided',
    ],
  ]);
  expect((await ask(s, 'guest1')).body).toMatchObject({ reason: 'NotPermitted', rule: 'no-guests' });
  // of what no time will change nobody has the seat that it would need
  expect(Object.keys((await ask(s, 'guest1')).body)).not.toContain('holders');
  expect(await s.call('GET', '/v1/denials')).toMatchObject({ body: { denials: [] } });
});

it('says who has held the seats the longest, and when one is expected to be free', async () => {
  const s = await start({ licences: [{ seatLimit: 12 }] });
  for (let n = 0; n < 12; n++) await s.checkOut(`user-${n}`, n === 0 ? { mode: 'sticky' } : {});
  const quiet = (await ask(s, 'boris')).body;
  expect(quiet).toMatchObject({ reason: 'SeatsExhausted', queue: { position: 1 } });
  expect(quiet.holders.map((h: { holder: { user: string } }) => h.holder.user)).toEqual(
    Array.from({ length: 10 }, (_, n) => `user-${n}`),
  );
  expect(quiet.holders[0].mode).toBe('sticky');
  expect(quiet.expected).toBeUndefined();
  // 60 seats were given back in the last hour: the next one is expected within a minute
  await sql.query(
    `INSERT INTO event SELECT now() - n * interval '50 s', pool_id, 'X', gen_random_uuid(), 'x' FROM pool, generate_series(1, 60) n`,
  );
  const other = await start({ licences: [{ seatLimit: 12 }] });
  const { expected } = (await ask(other, 'boris')).body;
  expect(expected.by).toBe('pace');
  expect(Math.abs(Date.parse(expected.at) - Date.now() - 60_000)).toBeLessThan(30_000);
});

it('names of holders are for administrators, an explanation is for whoever may take a seat', async () => {
  const roles = new Map<string, 'client' | 'admin' | 'metrics'>([
    ['c', 'client'],
    ['a', 'admin'],
    ['m', 'metrics'],
  ]);
  const tokens = { roleOf: (token: string) => roles.get(token), generation: 1 };
  const s = await start({ licences: [{ seatLimit: 1 }], access: { kind: 'token', tokens } });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  await s.call('POST', '/v1/checkouts', { product: 'erp', holder: holderOf('anna') }, bearer('c'));
  const [client, admin] = [
    await ask(s, 'boris', {}, 'buh', bearer('c')),
    await ask(s, 'boris', {}, 'buh', bearer('a')),
  ];
  expect([client.status, client.body.reason, client.body.holders]).toEqual([200, 'SeatsExhausted', undefined]);
  expect(admin.body.holders).toHaveLength(1);
  expect((await ask(s, 'boris', {}, 'buh', bearer('m'))).status).toBe(403);
  expect((await ask(s, 'boris')).status).toBe(401);
});

it.each([
  [{ holder: { base: 'b', user: '', host: 'h' } }, 'holder.user: must not be empty'],
  [{ mode: 'borrowed-for-ever' }, 'mode: must be'],
  [{ product: '' }, 'product: must be'],
])('what a check-out would not take is refused with field and reason: %j', async (more, why) => {
  const s = await start();
  const { status, body } = await ask(s, 'anna', more);
  expect([status, body.reason]).toEqual([400, 'InvalidRequest']);
  expect(body.detail).toContain(why);
});

const users = ['anna', 'boris', 'guest'];
const bases = ['buh', 'test'];
const person = fc.record({ user: fc.nat(2), base: fc.nat(1), host: fc.nat(1) });
const someStep = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('checkOut' as const),
      person,
      product: fc.constantFrom('erp', 'erp', 'erp', 'erp', 'erp', 'erp', 'crm', 'none'),
      mode: fc.constantFrom('leased', 'sticky'),
      old: fc.constantFrom(false, false, true),
      instance: fc.constantFrom(undefined, undefined, undefined, undefined, 1, 2),
      seats: fc.constantFrom(undefined, undefined, undefined, 2, 5),
      feature: fc.constantFrom(undefined, undefined, undefined, undefined, 'payroll', 'unknown'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('giveBack' as const), lease: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const), lease: fc.nat(9) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('idle' as const), leases: fc.uniqueArray(fc.nat(5), { maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('freeze' as const), seconds: fc.constantFrom(-1, -1, 600) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), person }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('report' as const), base: fc.nat(1), users: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('licence' as const),
      seatLimit: fc.nat(6),
      overdraftSeats: fc.constantFrom(0, 0, 1),
      supportPolicy: fc.constantFrom('warn' as const, 'require' as const),
      ended: fc.constantFrom(false, false, false, true),
    }),
  },
);
const someRules = fc
  .record({
    max: fc.constantFrom(0, 1, 2),
    each: fc.constantFrom(0, 1),
    reserve: fc.constantFrom(0, 1),
    only: fc.boolean(),
    out: fc.boolean(),
  })
  .map((r): SeatServerOptions['rules'] & object => [
    ...(r.only ? [{ name: 'only', match: { hosts: ['pc-0'] }, onlyThese: true as const }] : []),
    ...(r.out ? [{ name: 'out', match: { users: ['gu*'], bases: ['test'] }, allow: false as const }] : []),
    ...(r.max > 0 ? [{ name: 'max', match: { bases: ['t*'] }, max: r.max }] : []),
    ...(r.each > 0 ? [{ name: 'each', maxEach: r.each }] : []),
    ...(r.reserve > 0 ? [{ name: 'kept', match: { users: ['anna'] }, reserve: r.reserve }] : []),
    { name: 'first', match: { users: ['boris'] }, priority: 3 },
    { name: 'idlers', idleAfter: '1m' },
    ...(r.only ? [{ name: 'flappers', minimumHold: '1h' }] : []),
  ]);

it('random histories: it says each time what the check-out right after it does', async () => {
  const runs = Number(process.env.EXPLAIN_RUNS ?? 20);
  const seen = new Map<string, number>();
  let idled = 0;
  const instances = ['', '6b1f0c0e-7d0a-4a5c-9f2e-2f0d5a3c1b77', '7c2f0c0e-7d0a-4a5c-9f2e-2f0d5a3c1b77'];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...countings),
      someRules,
      fc.array(someStep, { minLength: 20, maxLength: 60 }),
      async (countBy, rules, history) => {
        await sql.query(
          'TRUNCATE pool, lease, base, waiter, event, seat, tally, denial, base_owner RESTART IDENTITY; UPDATE cluster SET alive_at = clock_timestamp()',
        );
        const s = await startSeatServer(database.url, { rules, licences: [] });
        try {
          const licensed = (more: object) =>
            s.setLicences([
              {
                seatLimit: 3,
                countBy,
                features: ['payroll'],
                weights: { payroll: 2 },
                supportUntil: '2026-06-01T00:00:00Z',
                ...more,
              },
              { product: 'crm' },
            ]);
          await licensed({});
          await sql.query("UPDATE pool SET frozen_until = '-infinity'");
          const leaseAt = async (n: number): Promise<string | undefined> => {
            const { rows } = await sql.query('SELECT lease_id FROM lease ORDER BY lease_id');
            return rows[n % Math.max(rows.length, 1)]?.lease_id;
          };
          for (const step of history) {
            if (step.kind === 'checkOut') {
              const { user, base, host } = step.person;
              const body = {
                product: step.product,
                holder: { base: bases[base], user: users[user], host: `pc-${host}` },
                mode: step.mode,
                ...(step.old ? {} : { programReleasedOn: '2026-07-01' }),
                ...(step.seats === undefined ? {} : { seats: step.seats }),
                ...(step.feature === undefined ? {} : { feature: step.feature }),
                ...(step.instance === undefined ? {} : { instance: instances[step.instance] }),
              };
              const said = (await s.call('POST', '/v1/checkouts:explain', body)).body;
              const done = await s.call('POST', '/v1/checkouts', body);
              const what = done.status < 300 ? (done.status === 201 ? 'granted' : 'renewed') : 'denied';
              const { reason, rule, overdraft } = done.body;
              expect(said, JSON.stringify([body, done.body])).toMatchObject({
                granted: done.status < 300,
                outcome: what,
              });
              expect([said.reason, said.rule, said.overdraft], JSON.stringify(body)).toEqual([reason, rule, overdraft]);
              // the last check decides, and no other one
              expect(said.checks.filter((c: { verdict: string }) => c.verdict === 'decided')).toEqual([
                said.checks.at(-1),
              ]);
              if (done.body.seats !== undefined && what === 'denied') {
                const { limit, inUse, reserved = 0 } = done.body.seats;
                expect(said.seats).toEqual({ limit, inUse, reserved });
              }
              const how = reason ?? `${what}${overdraft ? ' overdrawn' : ''}`;
              seen.set(how, (seen.get(how) ?? 0) + 1);
            } else if (step.kind === 'giveBack') {
              const lease = await leaseAt(step.lease);
              if (lease !== undefined) await s.call('DELETE', `/v1/leases/${lease}`);
            } else if (step.kind === 'expire') {
              await sql.query("UPDATE lease SET expires_at = now() - interval '1 s' WHERE lease_id = $1 AND kind = 0", [
                await leaseAt(step.lease),
              ]);
              await sql.query("UPDATE pool SET next_expiry = now() - interval '1 s'");
            } else if (step.kind === 'idle') {
              for (const n of step.leases) {
                const lease = await leaseAt(n);
                if (lease !== undefined) await s.call('POST', `/v1/leases/${lease}/heartbeat`, { idle: true });
              }
              await sql.query("UPDATE lease SET idle_from = idle_from - interval '1 min'");
            } else if (step.kind === 'freeze')
              await sql.query("UPDATE pool SET frozen_until = now() + $1 * interval '1 s'", [step.seconds]);
            else if (step.kind === 'report') await s.report(bases[step.base] ?? '', users.slice(0, step.users));
            else if (step.kind === 'licence') {
              const { kind: _, ended, ...more } = step;
              await licensed({ ...more, ...(ended ? { expiresAt: '2026-01-01T00:00:00Z' } : {}) });
            } else {
              const pool = s.store.pool('erp');
              const { user, base, host } = step.person;
              const holder = [bases[base], users[user], `pc-${host}`, ''].join('\u001f');
              if (pool !== undefined)
                await new Promise<void>((resolve, reject) =>
                  s.store.checkOut(
                    pool,
                    { holder, shown: undefined, mode: 'leased' },
                    true,
                    undefined,
                    () => resolve(),
                    reject,
                  ),
                );
            }
          }
        } finally {
          idled += (await sql.query("SELECT count(*)::int AS n FROM event WHERE code = 'I'")).rows[0].n;
          await s.stop();
        }
      },
    ),
    { numRuns: runs, endOnFailure: false },
  );
  console.log(`${runs} histories: ${JSON.stringify(Object.fromEntries(seen))}, ${idled} idle seats given away`);
}, 300_000);
