import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  entitlementsAt,
  hasExpired,
  licenceInForce,
  nextExpiryAt,
  type ProductLicence,
  supportState,
} from '../../../../server/seats/entitlement.ts';
import { fold, holderFault, holderKey, holderOf, spellingOf } from '../../../../server/seats/holderKey.ts';
import { isLeaseId, newLeaseId, poolOf } from '../../../../server/seats/leaseId.ts';
import { parseReservations } from '../../../../server/seats/reservations.ts';
import { compileRules } from '../../../../server/seats/seatRules.ts';
import { WaitingRoom } from '../../../../server/seats/waitingRoom.ts';
import { csvOf } from '../../../../server/usage/routes.ts';
import { tierFor } from '../../../../server/usage/usageHistory.ts';

const licence = (l: Partial<ProductLicence>): ProductLicence => ({
  product: 'erp',
  licenceId: 'l',
  keyId: 'k',
  seatLimit: 1,
  supportPolicy: 'warn',
  ...l,
});
const at = (text: string) => Date.parse(text);

describe('entitlements', () => {
  it('add up seats of live licences, and take the latest terms', () => {
    const [erp] = entitlementsAt(
      [
        licence({ seatLimit: 5, expiresAt: '2026-01-01T00:00:00Z', supportUntil: '2027-01-01T00:00:00Z' }),
        licence({ seatLimit: 7, expiresAt: '2026-06-01T00:00:00Z', supportUntil: '2026-01-01T00:00:00Z' }),
      ],
      at('2026-01-01T00:00:00Z'),
    );
    expect(erp).toMatchObject({
      seatLimit: 7,
      expiresAt: '2026-06-01T00:00:00Z',
      supportUntil: '2026-01-01T00:00:00Z',
    });
  });
  it('of a product whose licences have all ended are known and grant nothing', () => {
    const [erp] = entitlementsAt([licence({ expiresAt: '2026-01-01T00:00:00Z' })], at('2026-01-02'));
    expect(erp?.seatLimit).toBe(0);
    expect(erp && hasExpired(erp, at('2026-01-02'))).toBe(true);
  });
  it('require support only if every licence does', () => {
    const policies = (...all: ('warn' | 'require')[]) =>
      entitlementsAt(
        all.map((supportPolicy, i) => licence({ supportPolicy, licenceId: String(i) })),
        0,
      )[0]?.supportPolicy;
    expect([policies('require', 'require'), policies('require', 'warn')]).toEqual(['require', 'warn']);
  });
  it('sign proofs with a licence in force, the one that lasts longest, whatever its place', () => {
    const signs = (...all: Partial<ProductLicence>[]) => {
      const [erp] = entitlementsAt(all.map(licence), at('2026-06-01'));
      return erp && licenceInForce(erp, at('2026-06-01'))?.keyId;
    };
    const [ended, soon, later, perpetual] = [
      { keyId: 'ended', expiresAt: '2026-05-01T00:00:00Z' },
      { keyId: 'soon', expiresAt: '2026-07-01T00:00:00Z' },
      { keyId: 'later', expiresAt: '2027-07-01T00:00:00Z' },
      { keyId: 'perpetual' },
    ];
    expect(signs(ended, perpetual)).toBe('perpetual');
    expect(signs(ended, soon, later)).toBe('later');
    expect(signs(soon, perpetual, later)).toBe('perpetual');
    expect(signs(perpetual, { keyId: 'another' })).toBe('perpetual');
    expect(signs(ended)).toBe('ended'); // nothing is in force, and nothing is granted
  });
  it('say when they change next', () => {
    const all = entitlementsAt(
      [licence({ expiresAt: '2026-03-01T00:00:00Z' }), licence({ expiresAt: '2026-02-01T00:00:00Z' }), licence({})],
      0,
    );
    expect(nextExpiryAt(all, at('2026-01-01'))).toBe(at('2026-02-01'));
    expect(nextExpiryAt(all, at('2026-03-01'))).toBeUndefined();
  });
  it('count a version that came out on the last moment of support as supported', () => {
    const [erp] = entitlementsAt([licence({ supportUntil: '2026-01-01T00:00:00Z' })], 0);
    if (!erp) throw new Error('no entitlement');
    expect(supportState(erp, at('2026-01-01T00:00:00Z'), at('2030-01-01'))).toBe('valid');
    expect(supportState(erp, at('2026-01-01T00:00:01Z'), at('2020-01-01'))).toBe('expired');
    expect(supportState(erp, undefined, at('2030-01-01'))).toBe('expired');
  });
});

describe('names', () => {
  const part = fc.string({ minLength: 1, maxLength: 200, unit: 'binary' });
  it('of a holder that is accepted become a spelling and back without loss, and a key that the ledger can hold', () => {
    fc.assert(
      fc.property(fc.record({ base: part, user: part, host: part, session: part }), (holder) => {
        if (holderFault(holder) !== undefined) return;
        expect(holderOf(spellingOf(holder))).toEqual(holder);
        const { base, user, host, session } = holder;
        expect(holderOf(holderKey(holder))).toEqual({ base: fold(base), user: fold(user), host: fold(host), session });
        expect(Buffer.byteLength(holderKey(holder))).toBeLessThanOrEqual(2_403);
      }),
    );
  });
  it('are folded once and for all', () => {
    fc.assert(
      fc.property(part, (name) => {
        expect(fold(fold(name))).toBe(fold(name));
      }),
    );
  });
  it.each([
    ['anna', 'ANNA'],
    ['торговля', 'ТОРГОВЛЯ'],
    ['ΟΔΟΣ', 'οδος'],
    ['οδοσ', 'οδος'],
    ['й', '\u0438\u0306'],
    ['Å', '\u212b'],
    ['k', '\u212a'],
  ])('%s and %s are the same', (a, b) => expect(fold(a)).toBe(fold(b)));
  it.each([
    ['ß', 'ss'],
    ['е', 'ё'],
    ['a', '\u0430'],
    ['i', 'İ'],
  ])('%s and %s are not', (a, b) => expect(fold(a)).not.toBe(fold(b)));
});

it('a lease id carries its pool, sorts by time and never repeats', () => {
  const made = Array.from({ length: 5_000 }, (_, i) => newLeaseId((i % 4_095) + 1));
  expect(new Set(made).size).toBe(made.length);
  expect(made.every(isLeaseId)).toBe(true);
  made.forEach((id, i) => {
    expect(poolOf(id)).toBe((i % 4_095) + 1);
  });
  expect(isLeaseId('00000000-0000-4000-8000-000000000000')).toBe(false);
});

describe('reservations', () => {
  const slots = (text: string, user: string, base = 'b', host = 'h') =>
    compileRules(parseReservations(text), [], new Map())(holderKey({ user, base, host, session: '' })).slot;
  it('match by patterns, without regard to case, the first that fits', () => {
    const text = JSON.stringify([
      { product: 'erp', seats: 1, users: ['buh-*', 'boss?'] },
      { product: 'erp', seats: 1, bases: ['zup.main'], hosts: ['pc(1)'] },
    ]);
    expect(slots(text, 'BUH-7')).toBe(1);
    expect(slots(text, 'boss')).toBe(0);
    expect(slots(text, 'boss1')).toBe(1);
    expect(slots(text, 'x', 'zup.main', 'pc(1)')).toBe(2);
    expect(slots(text, 'x', 'zupxmain', 'pc(1)')).toBe(0);
    expect(slots(text, 'x', 'zup.main', 'pc2')).toBe(0);
  });
  it.each([
    ['not JSON', /must be JSON/],
    ['{}', /list/],
    ['[{"product":"erp","seats":0}]', /0\.seats/],
    ['[{"product":"erp","seats":1,"user":["a"]}]', /user/],
  ])('that are wrong are refused: %s', (text, message) => {
    expect(() => parseReservations(text)).toThrow(message);
  });
});

describe('the waiting room', () => {
  it('asks again for the first ones only, keeps places, and ends waits that are over', () => {
    const said: string[] = [];
    const room = new WaitingRoom(5_000);
    const enter = (name: string, untilMs: number, pool = 1) =>
      room.enter(
        pool,
        `holder of ${name}`,
        { retry: () => said.push(`${name} again`), giveUp: () => said.push(`${name} gives up`) },
        untilMs,
        0,
      );
    enter('a', 60_000);
    enter('b', 60_000);
    enter('c', 3_000);
    enter('other', 60_000, 2);
    const leave = enter('gone', 1_000);
    expect(leave()).toBe(true);
    room.poke(1, 1);
    expect(said.splice(0)).toEqual(['a again']);
    room.tick(3_000);
    expect(said.splice(0)).toEqual(['c gives up']);
    room.tick(5_000);
    expect(said.splice(0)).toEqual(['b again', 'other again']);
    expect(room.size).toBe(0);
    room.close();
  });
});

it('history is read from the coarsest step that is fine enough and goes back far enough', () => {
  const now = at('2026-06-01');
  const day = 86_400_000;
  expect(tierFor(now - day, 60, now)).toBe(60);
  expect(tierFor(now - day, 7_200, now)).toBe(3_600);
  expect(tierFor(now - 30 * day, 60, now)).toBe(3_600);
  expect(tierFor(now - 400 * day, 60, now)).toBe(86_400);
});

it('a table for a spreadsheet holds no formulas', () => {
  const point = { product: '=cmd()', at: 't', seatLimit: 1, peak: 1, mean: 1, stale: 0, denied: 0 };
  expect(
    csvOf([point, { ...point, product: 'a,"b"' }])
      .split('\r\n')
      .slice(1),
  ).toEqual(["'=cmd(),t,1,1,1,0,0", '"a,""b""",t,1,1,1,0,0']);
});
