import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitReservations } from '../../../../server/seats/fitReservations.ts';
import { baseOf, holderKey } from '../../../../server/seats/holderKey.ts';
import { report } from '../../../../server/seats/ledger/report.ts';
import { clearStale, stale } from '../../../../server/seats/ledger/stale.ts';
import * as ledger from '../../../../server/seats/ledger.ts';

const leaseMs = 1_000;
const keyOf = (user: string, base = 'b') => holderKey({ base, user, host: 'h', session: '' });
let ids = 0;
const claim = (user: string, more: Partial<ledger.CheckOut> = {}): ledger.CheckOut => {
  const holder = more.holder ?? keyOf(user);
  return {
    holder,
    base: baseOf(holder),
    part: holder,
    size: 1,
    leaseId: `id${++ids}`,
    mode: 'leased',
    slot: 0,
    caps: [],
    priority: 0,
    queueMs: 0,
    ...more,
  };
};
const world = (seatLimit: number, reserved: readonly number[] = []) => {
  const pool = ledger.newPool(seatLimit, reserved);
  const all: ledger.Ledger = { pools: new Map([['erp', pool]]), bases: new Map() };
  const take = (now: number, ...claims: ledger.CheckOut[]) =>
    ledger.checkOut(all, pool, claims, now, leaseMs).map((o) => o.code);
  return { all, pool, take };
};

describe('check-out', () => {
  it('grants to the limit in the order of arrival', () => {
    const { take } = world(2);
    expect(take(0, claim('a'), claim('b'), claim('c'))).toEqual(['granted', 'granted', 'denied']);
  });
  it('renews who holds a seat even when others came first and the pool is full', () => {
    const { take } = world(1);
    take(0, claim('a'));
    expect(take(1, claim('b'), claim('a'))).toEqual(['denied', 'renewed']);
  });
  it('gives an expired seat to a newcomer at the very moment of expiry, and not a moment earlier', () => {
    const { take } = world(1);
    take(0, claim('a'));
    expect(take(leaseMs - 1, claim('b'))).toEqual(['denied']);
    expect(take(leaseMs, claim('b'))).toEqual(['granted']);
  });
  it('gives no expired seat away while expiry is frozen', () => {
    const { take, pool } = world(1);
    take(0, claim('a'));
    pool.frozenUntil = 5_000;
    expect(take(4_999, claim('b'))).toEqual(['denied']);
    expect(take(5_000, claim('b'))).toEqual(['granted']);
  });
  it('grants nothing above a limit that shrank, and takes nothing away', () => {
    const { take, pool } = world(3);
    take(0, claim('a'), claim('b'), claim('c'));
    pool.seatLimit = 1;
    expect(take(1, claim('d'), claim('a'))).toEqual(['denied', 'renewed']);
    expect(pool.leases.size).toBe(3);
  });
  it('changes the mode to that of the last check-out', () => {
    const { take, pool } = world(1);
    take(0, claim('a', { mode: 'sticky' }));
    expect(pool.leases.get(keyOf('a'))?.expiresAt).toBe(Number.POSITIVE_INFINITY);
    take(1, claim('a'));
    expect(pool.leases.get(keyOf('a'))?.expiresAt).toBe(1 + leaseMs);
  });
});

describe('reservations', () => {
  it('keep seats from others, and let their own take general ones when theirs are gone', () => {
    const { take } = world(3, [1]);
    expect(take(0, claim('a', { slot: 1 }), claim('b', { slot: 1 }), claim('c'), claim('d'))).toEqual([
      'granted',
      'granted',
      'granted',
      'denied',
    ]);
  });
  it('are cut down to the limit, the first first', () => {
    expect(fitReservations(5, [3, 3, 1])).toEqual([3, 2, 0]);
  });
});

describe('the queue', () => {
  it('serves who waits longest, whoever asks first', () => {
    const { take, pool, all } = world(1);
    take(0, claim('a'));
    take(1, claim('b', { queueMs: 100 }));
    take(2, claim('c', { queueMs: 100 }));
    ledger.release(pool, [...pool.leases.values()][0]?.leaseId ?? '', 0);
    expect(take(3, claim('d'), claim('c', { queueMs: 100 }))).toEqual(['denied', 'denied']);
    expect(ledger.checkOut(all, pool, [claim('b', { queueMs: 100 })], 4, leaseMs)[0]?.code).toBe('granted');
  });
  it('forgets who no longer asks', () => {
    const { take, pool } = world(1);
    take(0, claim('a'));
    take(1, claim('b', { queueMs: 100 }));
    ledger.release(pool, [...pool.leases.values()][0]?.leaseId ?? '', 0);
    expect(take(100, claim('d'))).toEqual(['denied']);
    expect(take(101, claim('d'))).toEqual(['granted']);
  });
});

describe('a session report', () => {
  it('gives seats of the absent to newcomers of the same report', () => {
    const { all, pool } = world(1);
    const session = (user: string) => ({ ...claim(user), product: 'erp', leaseId: user });
    report(all, 'b', [session('a')], 0, leaseMs);
    const { sessions, released } = report(all, 'b', [session('c')], 1, leaseMs);
    expect([released, sessions]).toEqual([1, [{ code: 'granted', leaseId: 'c', overdrawn: false }]]);
    expect(pool.leases.size).toBe(1);
  });
  it('of a base touches no other whose name begins the same', () => {
    const { all, take, pool } = world(2);
    take(0, claim('x', { holder: keyOf('x', 'b2'), mode: 'sticky' }));
    expect(report(all, 'b', [], 1, leaseMs).released).toBe(0);
    expect(pool.leases.size).toBe(1);
  });
});

describe('stale', () => {
  it('is a sticky seat from the moment its base was silent long enough; a renewal in the base is a sign of life', () => {
    const { all, pool, take } = world(5);
    take(0, claim('a', { mode: 'sticky' }), claim('w'));
    expect(stale(all, 99, 100)).toEqual([]);
    expect(stale(all, 100, 100).map((l) => l.holder)).toEqual([keyOf('a')]);
    ledger.renew(pool, pool.leases.get(keyOf('w'))?.leaseId ?? '', 50, leaseMs);
    expect(stale(all, 149, 100)).toEqual([]);
    expect(clearStale(all, 150, 100)).toEqual({ cleared: 1, kept: 1 });
  });
});

describe('a shared seat', () => {
  const shared = (user: string, session: string, more: Partial<ledger.CheckOut> = {}) =>
    claim(user, { holder: holderKey({ base: 'b', user, host: 'h', session }), part: user, ...more });
  it('is taken by the first lease of a part and given back with the last', () => {
    const { take, pool } = world(1);
    expect(take(0, shared('a', '1'), shared('a', '2'), shared('b', '1'))).toEqual(['granted', 'granted', 'denied']);
    expect([pool.seats.size, pool.leases.size]).toEqual([1, 2]);
    const [first, second] = [...pool.leases.values()];
    ledger.release(pool, first?.leaseId ?? '', 0);
    expect(take(1, shared('b', '1'))).toEqual(['denied']);
    ledger.release(pool, second?.leaseId ?? '', 0);
    expect(take(2, shared('b', '1'))).toEqual(['granted']);
  });
  it('counts once for a rule, and for a reservation', () => {
    const { take, pool } = world(3, [1]);
    const caps = [{ tally: 'few', most: 1 }];
    expect(take(0, shared('a', '1', { caps, slot: 1 }), shared('a', '2', { caps, slot: 1 }))).toEqual([
      'granted',
      'granted',
    ]);
    expect([pool.tallies.get('few'), pool.seats.get('a')?.slot]).toEqual([1, 1]);
    expect(take(1, shared('b', '1', { caps }))).toEqual(['barred']);
  });
});

describe('rules', () => {
  it('bound the seats of those who match, and let nobody in whose bound is 0; who holds a seat keeps it', () => {
    const { take } = world(9);
    const caps = [{ tally: 'few', most: 2 }];
    expect(take(0, claim('a', { caps }), claim('b', { caps }), claim('c', { caps }), claim('d'))).toEqual([
      'granted',
      'granted',
      'barred',
      'granted',
    ]);
    const out = [{ tally: 'out', most: 0 }];
    expect(take(1, claim('a', { caps: out }), claim('e', { caps: out }))).toEqual(['renewed', 'barred']);
  });
  it('give an expired seat up before they refuse', () => {
    const { take } = world(9);
    const caps = [{ tally: 'few', most: 1 }];
    take(0, claim('a', { caps }));
    expect(take(leaseMs - 1, claim('b', { caps }))).toEqual(['barred']);
    expect(take(leaseMs, claim('b', { caps }))).toEqual(['granted']);
  });
  it('put some before others in the queue', () => {
    const { take, pool } = world(1);
    take(0, claim('a'));
    take(1, claim('b', { queueMs: 100 }));
    take(2, claim('boss', { queueMs: 100, priority: 5 }));
    ledger.release(pool, [...pool.leases.values()][0]?.leaseId ?? '', 0);
    expect(take(3, claim('b', { queueMs: 100 }))).toEqual(['denied']);
    expect(take(4, claim('boss', { queueMs: 100, priority: 5 }))).toEqual(['granted']);
  });
  it('leave nobody in the queue whom no free seat would help', () => {
    const { take, pool } = world(1);
    take(0, claim('a'));
    take(1, claim('b', { queueMs: 100 }));
    take(2, claim('b', { queueMs: 100, caps: [{ tally: 'out', most: 0 }] }));
    expect(pool.waiters.size).toBe(0);
  });
});

describe('an overdraft', () => {
  it('is granted only when no ordinary seat is left, and ends at its bound', () => {
    const { all, pool } = world(2);
    pool.overdraft = 1;
    const taken = (user: string) => ledger.checkOut(all, pool, [claim(user)], 0, leaseMs)[0];
    expect(['a', 'b', 'c', 'd'].map(taken)).toMatchObject([
      { code: 'granted', overdrawn: false },
      { code: 'granted', overdrawn: false },
      { code: 'granted', overdrawn: true },
      { code: 'denied', shortage: 'taken' },
    ]);
  });
  it('waits until expired seats are given up', () => {
    const { all, pool } = world(1);
    pool.overdraft = 1;
    ledger.checkOut(all, pool, [claim('a')], 0, leaseMs);
    const [outcome] = ledger.checkOut(all, pool, [claim('b')], leaseMs, leaseMs);
    expect(outcome).toMatchObject({ code: 'granted', overdrawn: false });
  });
  it('does not touch what is reserved for others while that is free', () => {
    const { all, pool } = world(2, [1]);
    pool.overdraft = 5;
    ledger.checkOut(all, pool, [claim('a')], 0, leaseMs);
    expect(ledger.checkOut(all, pool, [claim('b')], 0, leaseMs)[0]).toMatchObject({
      code: 'denied',
      shortage: 'reserved',
    });
  });
});

it('whatever happens, there are never more leases than seats were ever allowed, and one a holder', () => {
  const users = ['a', 'b', 'c', 'd', 'e', 'f'];
  const step = fc.record({
    wait: fc.nat(1_500),
    who: fc.uniqueArray(fc.constantFrom(...users), { maxLength: 4 }),
    slot: fc.nat(2),
    queue: fc.boolean(),
    give: fc.option(fc.nat(5)),
  });
  fc.assert(
    fc.property(
      fc.nat(5),
      fc.array(fc.nat(3), { maxLength: 2 }),
      fc.array(step, { maxLength: 60 }),
      (limit, reserved, steps) => {
        const { all, pool } = world(limit, fitReservations(limit, reserved));
        let now = 0;
        for (const s of steps) {
          now += s.wait;
          const given = s.give === null ? undefined : [...pool.leases.values()][s.give];
          if (given) ledger.release(pool, given.leaseId, 0);
          const slot = s.slot <= pool.reserved.length ? s.slot : 0;
          const claims = s.who.map((user) => claim(user, { slot, queueMs: s.queue ? 500 : 0 }));
          const outcomes = ledger.checkOut(all, pool, claims, now, leaseMs);
          expect(pool.leases.size).toBeLessThanOrEqual(limit);
          const own = outcomes.flatMap((o) => ('leaseId' in o ? [o.leaseId] : []));
          expect(own.every((id) => [...pool.leases.values()].some((l) => l.leaseId === id))).toBe(true);
        }
      },
    ),
  );
});

describe('several seats at once', () => {
  it('are granted all or none, and end together', () => {
    const { take, pool } = world(4);
    expect(take(0, claim('a', { size: 3 }), claim('b', { size: 2 }), claim('c'))).toEqual([
      'granted',
      'denied',
      'granted',
    ]);
    ledger.release(pool, pool.leases.get(keyOf('a'))?.leaseId ?? '', 0);
    expect(ledger.inUseOf(pool)).toBe(1);
  });
  it('who waits for many is not passed by those who want few', () => {
    const { take } = world(4);
    take(0, claim('a', { size: 3 }));
    expect(take(1, claim('b', { size: 2, queueMs: 60_000 }))).toEqual(['denied']);
    expect(take(2, claim('c'))).toEqual(['denied']);
    expect(take(leaseMs, claim('b', { size: 2, queueMs: 60_000 }), claim('c'))).toEqual(['granted', 'granted']);
  });
  it('more than could ever be free waits for nothing, and nobody waits behind it', () => {
    const { take, pool } = world(4, [2]);
    expect(take(0, claim('a', { size: 3, queueMs: 60_000 }), claim('b', { queueMs: 60_000 }))).toEqual([
      'denied',
      'granted',
    ]);
    expect(pool.waiters.size).toBe(0);
  });
  it('count each of them for a rule', () => {
    const { take } = world(9);
    const caps = [{ tally: 't', most: 3 }];
    expect(take(0, claim('a', { size: 2, caps }), claim('b', { size: 2, caps }), claim('c', { caps }))).toEqual([
      'granted',
      'barred',
      'granted',
    ]);
  });
});

describe('a program that is idle for too long', () => {
  const idler = (user: string) => claim(user, { idleAfterMs: 100 });
  const leaseOf = (pool: ledger.Pool, user: string) => pool.leases.get(keyOf(user))?.leaseId ?? '';
  it('loses its seat to whoever would have none, the longest idle first, and only then', () => {
    const { take, pool } = world(2);
    take(0, idler('a'), idler('b'));
    ledger.renew(pool, leaseOf(pool, 'b'), 10, leaseMs, true);
    ledger.renew(pool, leaseOf(pool, 'a'), 20, leaseMs, true);
    expect(take(109, claim('c'))).toEqual(['denied']);
    expect([...pool.leases.keys()]).toEqual([keyOf('a'), keyOf('b')]);
    expect(take(130, claim('c'))).toEqual(['granted']);
    expect([...pool.leases.keys()]).toEqual([keyOf('a'), keyOf('c')]);
  });
  it('is idle from when it said so first, until it says otherwise', () => {
    const { take, pool } = world(1);
    take(0, idler('a'));
    for (const now of [10, 60]) ledger.renew(pool, leaseOf(pool, 'a'), now, leaseMs, true);
    expect(pool.leases.get(keyOf('a'))?.idleFrom).toBe(110);
    ledger.renew(pool, leaseOf(pool, 'a'), 100, leaseMs);
    expect(take(200, claim('b'))).toEqual(['denied']);
  });
  it('keeps its seat where all idle ones together would not help', () => {
    const { take, pool } = world(3);
    take(0, idler('a'), claim('b'), claim('c'));
    ledger.renew(pool, leaseOf(pool, 'a'), 0, leaseMs, true);
    expect(take(200, claim('d', { size: 2 }))).toEqual(['denied']);
    expect(pool.leases.has(keyOf('a'))).toBe(true);
  });
  it('keeps its seat through the grace after an outage', () => {
    const { take, pool } = world(1);
    take(0, idler('a'));
    ledger.renew(pool, leaseOf(pool, 'a'), 0, leaseMs, true);
    pool.frozenUntil = 500;
    expect(take(499, claim('b'))).toEqual(['denied']);
    expect(take(500, claim('b'))).toEqual(['granted']);
  });
  it('does not give a seat that is kept for others to whom that would not help', () => {
    const { take, pool } = world(2, [1]);
    take(0, claim('a', { slot: 1, idleAfterMs: 100 }), claim('b'));
    ledger.renew(pool, leaseOf(pool, 'a'), 0, leaseMs, true);
    expect(take(200, claim('c'))).toEqual(['denied']);
    expect(take(200, claim('d', { slot: 1 }))).toEqual(['granted']);
    expect(pool.leases.has(keyOf('a'))).toBe(false);
  });
});

describe('a seat that must be held for a time', () => {
  it('stays taken until then when it is given back, and is its holder’s again at once', () => {
    const { take, pool } = world(1);
    take(0, claim('a', { holdMs: 100 }));
    const id = pool.leases.get(keyOf('a'))?.leaseId ?? '';
    expect([ledger.release(pool, id, 50), ledger.release(pool, id, 60)]).toEqual([true, false]);
    expect(ledger.renew(pool, id, 60, leaseMs)).toBe('lost');
    expect(take(99, claim('b'))).toEqual(['denied']);
    expect(take(99, claim('a', { holdMs: 100 }))).toEqual(['renewed']);
    ledger.release(pool, id, 99);
    expect(take(100, claim('b'))).toEqual(['granted']);
  });
  it('ends at once after that', () => {
    const { take, pool } = world(1);
    take(0, claim('a', { holdMs: 100 }));
    ledger.release(pool, pool.leases.get(keyOf('a'))?.leaseId ?? '', 100);
    expect(pool.leases.size).toBe(0);
  });
});
