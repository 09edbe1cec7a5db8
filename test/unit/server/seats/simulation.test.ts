import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countings } from '../../../../licence/words.ts';
import { fitReservations } from '../../../../server/seats/fitReservations.ts';
import { holderKey, separator } from '../../../../server/seats/holderKey.ts';
import * as ledger from '../../../../server/seats/ledger.ts';
import { partOf } from '../../../../server/seats/recount.ts';
import type { Ruled } from '../../../../server/seats/seatRules.ts';
import { eachEvent } from '../../../../server/seats/simulate/eachEvent.ts';
import { Play } from '../../../../server/seats/simulate/play.ts';
import { newPerson, type Person, type Terms, World } from '../../../../server/seats/simulate/world.ts';

const who = (user: string, base = 'b', host = 'h') => holderKey({ base, user, host, session: '' });
const terms = (more: Partial<Terms> = {}): Terms => ({
  seatLimit: 1,
  overdraft: 0,
  reserved: [],
  countBy: 'session',
  weights: {},
  rulesOf: undefined,
  ...more,
});
/** A world in which everybody is known by the holder. */
function worldOf(by: Terms) {
  const world = new World(by);
  const people = new Map<string, Person>();
  const person = (holder: string): Person => {
    const known = people.get(holder) ?? newPerson(holder, by);
    people.set(holder, known);
    return known;
  };
  return {
    ask: (holder: string, now: number) => world.ask(person(holder), now),
    leave: (holder: string, now: number) => world.leave(person(holder), now),
    heldSince: (holder: string) => world.heldSince(person(holder)),
    endDay: () => world.endDay(),
    get inUse() {
      return world.inUse;
    },
  };
}
const minute = 60_000;
const at = (clock: string) => Date.parse(`2026-03-02T${clock}:00Z`);
const midnight = at('00:00');

describe('a world', () => {
  it('random histories: the same holders have seats as in the ledger, where all who are refused stand in the queue', () => {
    const users = ['a', 'b', 'c', 'd', 'e'];
    const step = fc.record({ user: fc.nat(4), host: fc.nat(1), comes: fc.boolean() });
    const rule = fc.record({ slot: fc.nat(2), priority: fc.constantFrom(0, 0, 5) });
    let granted = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...countings),
        fc.nat(4),
        fc.constantFrom([], [1], [1, 1]),
        fc.nat(1),
        fc.array(rule, { minLength: 5, maxLength: 5 }),
        fc.array(step, { minLength: 10, maxLength: 60 }),
        (countBy, seatLimit, kept, overdraft, rules, history) => {
          const reserved = fitReservations(seatLimit, kept);
          const ruledOf = (holder: string): Ruled => {
            const { slot = 0, priority = 0 } = rules[users.indexOf(holder.split(separator)[1] ?? '')] ?? {};
            return { slot: slot <= reserved.length ? slot : 0, priority, caps: [] };
          };
          const world = worldOf(terms({ seatLimit, overdraft, reserved, countBy, rulesOf: ruledOf }));
          const pool = { ...ledger.newPool(seatLimit, reserved), overdraft };
          const all: ledger.Ledger = { pools: new Map([['p', pool]]), bases: new Map() };
          const wanting = new Set<string>();
          const asks = (holders: readonly string[], now: number) =>
            ledger.checkOut(
              all,
              pool,
              holders.map((holder) => ({
                ...{
                  holder,
                  part: partOf(holder, countBy),
                  size: 1,
                  base: 'b',
                  leaseId: holder,
                  mode: 'sticky' as const,
                },
                ...ruledOf(holder),
                queueMs: 1e12,
              })),
              now,
              1e12,
            );
          history.forEach(({ user, host, comes }, now) => {
            const holder = who(users[user] ?? '', 'b', `h${host}`);
            if (comes) {
              world.ask(holder, now);
              wanting.add(holder);
              if (!pool.leases.has(holder)) asks([holder], now);
            } else {
              world.leave(holder, now);
              wanting.delete(holder);
              ledger.leave(pool, holder);
              ledger.release(pool, holder, 0);
            }
            // whoever waits asks again, in whatever order: the queue knows
            for (let before = -1; before !== pool.leases.size; ) {
              before = pool.leases.size;
              asks(
                [...wanting].filter((h) => !pool.leases.has(h)),
                now,
              );
            }
            const holding = [...wanting].filter((h) => world.heldSince(h) !== undefined);
            expect(holding.sort()).toEqual([...pool.leases.keys()].sort());
            expect(world.inUse).toBe(pool.seats.size);
            granted += holding.length;
          });
        },
      ),
      { numRuns: 300 },
    );
    expect(granted).toBeGreaterThan(1_000);
  });

  it('bounds: whom a rule keeps out has a seat when another of that rule leaves, and nobody else has', () => {
    const world = worldOf(
      terms({
        seatLimit: 9,
        rulesOf: (holder) => ({
          slot: 0,
          priority: 0,
          caps: holder.startsWith('test') ? [{ rule: 'test', tally: 'test', most: 1 }] : [],
        }),
      }),
    );
    for (const user of ['a', 'b', 'c']) world.ask(who(user, 'test'), 0);
    world.ask(who('d'), 0);
    expect(['a', 'b', 'c'].map((u) => world.heldSince(who(u, 'test')))).toEqual([0, undefined, undefined]);
    world.leave(who('d'), 5);
    expect(world.heldSince(who('b', 'test'))).toBeUndefined();
    world.leave(who('a', 'test'), 9);
    expect(['b', 'c'].map((u) => world.heldSince(who(u, 'test')))).toEqual([9, undefined]);
    expect(world.endDay()).toMatchObject({ refused: 2, unmet: 0, peak: 2 });
  });

  it('a seat that is kept: of those whom it is kept for the first by priority has it, whoever else waits', () => {
    const world = worldOf(
      terms({
        reserved: [1],
        rulesOf: (holder) => ({
          slot: holder.startsWith('other') ? 0 : 1,
          priority: holder.startsWith('low') ? 0 : 5,
          caps: [],
        }),
      }),
    );
    const [first, low, other, high] = [who('a'), who('b', 'low'), who('c', 'other'), who('d')];
    for (const holder of [first, low, other, high]) world.ask(holder, 0);
    world.leave(first, 1);
    expect([low, other, high].map((holder) => world.heldSince(holder))).toEqual([undefined, undefined, 1]);
  });

  it('several seats at once: all or none, those behind wait, and more than there are waits for nothing', () => {
    const world = worldOf(terms({ seatLimit: 3 }));
    const two = `${who('two')}${separator}${separator}2`;
    const many = `${who('many')}${separator}${separator}9`;
    world.ask(many, 0);
    world.ask(who('a'), 0);
    world.ask(who('b'), 0);
    world.ask(two, 1);
    world.ask(who('c'), 1);
    expect([world.inUse, world.heldSince(two), world.heldSince(who('c'))]).toEqual([2, undefined, undefined]);
    world.leave(who('a'), 2);
    expect([world.inUse, world.heldSince(two), world.heldSince(who('c'))]).toEqual([3, 2, undefined]);
    world.leave(two, 3);
    expect([world.inUse, world.heldSince(who('c')), world.heldSince(many)]).toEqual([2, 3, undefined]);
  });
});

describe('a simulation', () => {
  const demand = (user: string, from: string, until: string, served = false) => ({
    holder: who(user),
    at: at(from),
    until: at(until),
    served,
  });

  it('puts today beside more seats, day by day, and says how many would have been enough', () => {
    // two at once, one seat: boris waits from 9:00 on and is served when anna leaves; vera gives up
    const play = new Play(midnight, terms(), terms({ seatLimit: 2 }), [
      demand('boris', '09:00', '09:09', true),
      demand('vera', '09:30', '09:40'),
    ]);
    play.came(who('anna'), at('08:00'));
    play.left(who('anna'), at('09:10'));
    play.came(who('boris'), at('09:10'));
    play.left(who('boris'), at('10:10'));
    const played = play.finish(midnight + 2 * 24 * 60 * minute);
    expect(played.days.map((d) => d.day)).toEqual(['2026-03-02', '2026-03-03']);
    expect(played.today).toEqual({ refused: 2, unmet: 2, peak: 1, waitedSeconds: 600 + 600, longestWaitSeconds: 600 });
    expect(played.other).toEqual({ refused: 0, unmet: 0, peak: 2, waitedSeconds: 0, longestWaitSeconds: 0 });
    expect([played.needed, played.events]).toEqual([2, 4]);
    expect(played.days.at(1)?.today).toMatchObject({ refused: 0, peak: 0 });
  });

  it('knows who had a seat when the time began, and counts a wait from the moment of asking to the day of it', () => {
    const play = new Play(midnight, terms({ seatLimit: 2 }), terms(), []);
    play.seed(who('anna'));
    play.came(who('boris'), at('10:00'));
    play.left(who('anna'), at('10:00') + 30_000);
    play.left(who('boris'), at('11:00'));
    const played = play.finish(at('12:00'));
    expect(played.today).toMatchObject({ refused: 0, peak: 2 });
    expect(played.other).toMatchObject({ refused: 1, unmet: 0, peak: 1, waitedSeconds: 30, longestWaitSeconds: 30 });
  });

  it('whoever was refused in vain, and would have had a seat, keeps it as long as sessions last on average', () => {
    const play = new Play(midnight, terms(), terms({ seatLimit: 2 }), [demand('vera', '09:00', '09:10')]);
    play.came(who('boris'), at('06:00'));
    play.left(who('boris'), at('08:00'));
    play.came(who('anna'), at('08:00'));
    // 11:00 is two hours after vera had her seat; hans comes just before and just after
    play.came(who('hans'), at('10:59'));
    play.left(who('hans'), at('11:00'));
    play.came(who('ivan'), at('11:01'));
    play.left(who('ivan'), at('11:10'));
    play.left(who('anna'), at('12:00'));
    const played = play.finish(at('13:00'));
    expect(played.other).toMatchObject({ refused: 1, peak: 2 });
    expect(played.today).toMatchObject({ refused: 3, peak: 1 });
  });
});

it('events are played by their times, whatever order they were stored in, and of one moment those first that give seats back', () => {
  const played: unknown[] = [];
  const text = ['5000Gb\u001fanna', '1200Gb\u001f7up', '1200Xb\u001fboris', '1300Ob\u001fвера', '1250Xb\u001f7up'].join(
    '\n',
  );
  eachEvent({ fromMs: 100, n: 5, text }, (holder, comes, at) => played.push([holder.split('\u001f')[1], comes, at]));
  expect(played).toEqual([
    ['boris', false, 101],
    ['7up', true, 101],
    ['7up', false, 101],
    ['вера', true, 101],
    ['anna', true, 105],
  ]);
});
