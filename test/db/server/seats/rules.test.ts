import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { GroupFiles } from '../../../../server/seats/groupFiles.ts';
import type { SeatServerOptions } from '../support/seatServer.ts';
import { useSeatServers } from '../support/seatServers.ts';

const { start } = useSeatServers();
const outcomeOf = ({ status, body }: { status: number; body: { reason?: string; rule?: string } }) =>
  status < 300 ? 'ok' : `${body.reason} ${body.rule ?? ''}`.trim();

it('EXCLUDE: who matches gets no seat, by check-out or report, and is told which rule it was', async () => {
  const s = await start({ rules: [{ name: 'no-guests', match: { users: ['guest*'] }, allow: false }] });
  const refused = await s.checkOut('Guest7', { wait: 30 }); // nobody waits for what no free seat would change
  expect([outcomeOf(refused), refused.headers['retry-after']]).toEqual(['NotPermitted no-guests', undefined]);
  expect(refused.body.detail).toContain('the rule no-guests does not let');
  const { sessions } = (await s.report('trade', ['guest1', 'anna'])).body;
  expect(sessions).toMatchObject([
    { outcome: 'denied', reason: 'NotPermitted', rule: 'no-guests' },
    { outcome: 'granted' },
  ]);
  expect((await s.call('GET', '/v1/denials')).body.denials.map((d: { reason: string }) => d.reason)).toEqual([
    'NotPermitted',
    'NotPermitted',
  ]);
});

it('INCLUDE: of a product that has such rules only those who match one get a seat', async () => {
  const s = await start({
    licences: [{}, { product: 'crm' }],
    rules: [
      { name: 'staff', match: { users: ['anna'] }, onlyThese: true },
      { name: 'zup', match: { bases: ['zup*'] }, onlyThese: true },
    ],
  });
  expect(outcomeOf(await s.checkOut('anna'))).toBe('ok');
  expect(outcomeOf(await s.checkOut('boris', {}, 'ZUP-2'))).toBe('ok');
  expect(outcomeOf(await s.checkOut('boris'))).toBe('NotPermitted staff');
  expect(outcomeOf(await s.checkOut('boris', { product: 'crm' }))).toBe('ok');
});

it('MAX: those who match together have so many seats, also over reports, restarts and two servers', async () => {
  const options: SeatServerOptions = {
    licences: [{ seatLimit: 9 }],
    rules: [{ name: 'test-bases', match: { bases: ['test*'] }, max: 2 }],
  };
  const [one, two] = [await start(options), await start(options)];
  const first = (await one.checkOut('anna', {}, 'test-1')).body.leaseId;
  expect((await two.report('test-2', ['a', 'b'])).body.sessions).toMatchObject([
    { outcome: 'granted' },
    { outcome: 'denied', reason: 'RuleLimit', rule: 'test-bases' },
  ]);
  const refused = await one.checkOut('vera', {}, 'test-1');
  expect(outcomeOf(refused)).toBe('RuleLimit test-bases');
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(outcomeOf(await one.checkOut('vera', {}, 'trade'))).toBe('ok');
  const [product] = (await one.call('GET', '/v1/products')).body.products;
  expect(product.rules).toEqual([{ name: 'test-bases', max: 2, inUse: 2 }]);
  const metrics = (await one.call('GET', '/metrics')).body;
  expect(metrics).toMatch(/^licence_seats_ruled_in_use\{product="erp",rule="test-bases"\} 2$/m);
  await two.call('DELETE', `/v1/leases/${first}`);
  expect(outcomeOf(await one.checkOut('vera', {}, 'test-1'))).toBe('ok');
  // who is in stays in though the rule gets stricter, and the seats that are held count for it
  const three = await start({ ...options, rules: [{ name: 'test-bases', match: { bases: ['test*'] }, max: 1 }] });
  expect(outcomeOf(await three.checkOut('vera', {}, 'test-1'))).toBe('ok');
  expect(outcomeOf(await three.checkOut('new', {}, 'test-1'))).toBe('RuleLimit test-bases');
});

it('MAX of each: no user has more seats than that, whichever base', async () => {
  const s = await start({ licences: [{ seatLimit: 9 }], rules: [{ name: 'two-each', maxEach: 2 }] });
  expect(outcomeOf(await s.checkOut('anna', {}, 'a'))).toBe('ok');
  expect(outcomeOf(await s.checkOut('ANNA', {}, 'b'))).toBe('ok');
  expect(outcomeOf(await s.checkOut('anna', {}, 'c'))).toBe('RuleLimit two-each');
  expect(outcomeOf(await s.checkOut('boris', {}, 'c'))).toBe('ok');
});

it('RESERVE: seats are kept for those who match, beside older reservations, which go on working', async () => {
  const s = await start({
    licences: [{ seatLimit: 3 }],
    reservations: [{ name: 'old', seats: 1, users: ['boss'] }],
    rules: [{ name: 'bookkeepers', match: { users: ['buh*'] }, reserve: 1 }],
  });
  expect(outcomeOf(await s.checkOut('anna'))).toBe('ok');
  expect(outcomeOf(await s.checkOut('boris'))).toBe('SeatsReserved');
  expect(outcomeOf(await s.checkOut('buh-1'))).toBe('ok');
  expect(outcomeOf(await s.checkOut('boss'))).toBe('ok');
  expect((await s.call('GET', '/v1/products')).body.products[0].reservations).toEqual([
    { name: 'old', seats: 1, inUse: 1 },
    { name: 'bookkeepers', seats: 1, inUse: 1 },
  ]);
  const { leases } = (await s.call('GET', '/v1/leases?user=buh-1')).body;
  expect(leases[0].reservation).toBe('bookkeepers');
});

it('PRIORITY: who matches is served before others who have waited longer', async () => {
  const s = await start({
    licences: [{ seatLimit: 1 }],
    rules: [{ name: 'chief', match: { users: ['boss'] }, priority: 9 }],
  });
  const { leaseId } = (await s.checkOut('anna')).body;
  const waiting = [s.checkOut('boris', { wait: 30 })];
  await expect.poll(async () => (await s.call('GET', '/v1/products')).body.products[0].queueLength).toBe(1);
  waiting.push(s.checkOut('boss', { wait: 30 }));
  await expect.poll(async () => (await s.call('GET', '/v1/products')).body.products[0].queueLength).toBe(2);
  await s.call('DELETE', `/v1/leases/${leaseId}`);
  const served = await waiting[1];
  expect(served?.status).toBe(201);
  await s.call('DELETE', `/v1/leases/${served?.body.leaseId}`);
  expect((await waiting[0])?.status).toBe(201);
}, 60_000);

it('GROUP: names come from files, are read again without a restart, and seats that are held count by them at once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'groups-'));
  try {
    const s = await start({
      licences: [{ seatLimit: 9 }],
      rules: [{ name: 'sales', match: { groups: ['sales'] }, max: 1 }],
    });
    const files = new GroupFiles(dir);
    expect((await s.call('GET', '/v1/status')).body.ruleDoubts).toContainEqual(
      expect.stringContaining('names the group sales, which is not there'),
    );
    await s.checkOut('anna');
    await s.checkOut('boris');
    writeFileSync(join(dir, 'sales'), `Anna\n${Array.from({ length: 10_000 }, (_, i) => `user-${i}`).join('\n')}\n`);
    await s.store.setGroups(await files.read());
    expect((await s.call('GET', '/v1/status')).body.trouble ?? '').not.toContain('sales');
    expect(outcomeOf(await s.checkOut('user-9999'))).toBe('RuleLimit sales');
    expect(outcomeOf(await s.checkOut('user-10000'))).toBe('ok');
    writeFileSync(join(dir, 'sales'), 'vera\n');
    await s.store.setGroups(await files.read());
    expect(outcomeOf(await s.checkOut('user-9999'))).toBe('ok');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('HOST_GROUP: a group may list computers, whoever sits at them', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'groups-'));
  try {
    writeFileSync(join(dir, 'kiosks'), 'KIOSK-*\n');
    const s = await start({
      licences: [{ seatLimit: 9 }],
      rules: [{ name: 'kiosks', match: { groups: ['kiosks'] }, max: 1 }],
    });
    await s.store.setGroups(await new GroupFiles(dir).read());
    const at = (user: string, host: string) => ({ base: 'buh', user, host, session: '' });
    expect(outcomeOf(await s.checkOut('anna', { holder: at('anna', 'kiosk-1') }))).toBe('ok');
    expect(outcomeOf(await s.checkOut('boris', { holder: at('boris', 'kiosk-2') }))).toBe('RuleLimit kiosks');
    expect(outcomeOf(await s.checkOut('boris', { holder: at('boris', 'pc-1') }))).toBe('ok');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

it('rules that cannot matter are told, and serve all the same', async () => {
  const s = await start({
    rules: [
      { name: 'many', max: 100 },
      { name: 'elsewhere', product: 'crm', max: 1 },
    ],
  });
  const { trouble, ruleDoubts } = (await s.call('GET', '/v1/status')).body;
  expect(ruleDoubts).toEqual([
    expect.stringContaining('rule many can never matter'),
    expect.stringContaining('the rules name the product crm'),
  ]);
  expect(trouble).toBeUndefined();
  expect(outcomeOf(await s.checkOut('anna'))).toBe('ok');
});
