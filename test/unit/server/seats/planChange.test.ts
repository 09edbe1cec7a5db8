import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Assigned, changeTo, planChange } from '../../../../server/seats/named/planChange.ts';
import { usersIn } from '../../../../server/seats/named/usersIn.ts';

const day = 86_400_000;
const terms = { seatLimit: 3, reassignAfterDays: 30 };
const person = (name: string) => ({ person: name.toLowerCase(), shown: name });
const since = (name: string, atDays = 0): Assigned => ({ ...person(name), assignedAtMs: atDays * day });
const plan = (now: Assigned[], assign: string[], remove: string[], atDays: number) =>
  planChange(now, { assign: assign.map(person), remove: remove.map(person) }, terms, atDays * day);

describe('whose seats are', () => {
  it('who has a seat keeps it from when it was assigned, and is named once', () => {
    expect(plan([since('Anna')], ['anna', 'Boris', 'boris'], [], 1)).toEqual({
      assigned: [person('boris')],
      removed: [],
    });
  });
  it('a seat moves when its days are over, and not before', () => {
    expect(plan([since('Anna')], ['boris'], ['anna'], 29.999)).toEqual({
      reason: 'ReassignedTooEarly',
      shown: 'Anna',
      fromMs: 30 * day,
    });
    expect(plan([since('Anna')], ['boris'], ['anna'], 30)).toMatchObject({ removed: [{ shown: 'Anna' }] });
  });
  it('there are no more persons than seats, and all of a change or nothing', () => {
    const full = [since('a'), since('b'), since('c')];
    expect(plan(full, ['d'], [], 40)).toEqual({ reason: 'AllSeatsAssigned', assigned: 4 });
    expect(plan(full, ['d'], ['a'], 40)).toMatchObject({ assigned: [person('d')] });
    // of a licence that has become smaller seats can be taken away and moved all the same
    expect(
      planChange(full, { assign: [person('d')], remove: [person('a')] }, { ...terms, seatLimit: 1 }, 40 * day),
    ).toMatchObject({
      assigned: [person('d')],
    });
    expect(planChange(full, { assign: [person('d')], remove: [] }, { ...terms, seatLimit: 1 }, 40 * day)).toMatchObject(
      {
        reason: 'AllSeatsAssigned',
      },
    );
    expect(planChange(full, { assign: [], remove: [person('a')] }, { ...terms, seatLimit: 1 }, 40 * day)).toMatchObject(
      {
        removed: [{ shown: 'a' }],
      },
    );
  });
  it('who has none is not removed, and who is in both lists stays', () => {
    expect(plan([since('a')], ['a'], ['a', 'x'], 1)).toEqual({ assigned: [], removed: [] });
  });
  it('any list becomes the whole list, as far as days and seats let it', () => {
    const names = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 4 });
    fc.assert(
      fc.property(names, names, fc.constantFrom(1, 31), (before, after, atDays) => {
        const now = before.slice(0, 3).map((n) => since(n));
        const done = planChange(now, changeTo(now, after.map(person)), terms, atDays * day);
        if ('reason' in done) return;
        const gone = new Set(done.removed.map((a) => a.person));
        const list = [...now.filter((a) => !gone.has(a.person)), ...done.assigned].map((a) => a.person);
        expect(list.sort()).toEqual([...after].sort());
      }),
    );
  });
});

describe('a table of users', () => {
  it.each([
    ['a line each', 'anna\r\nboris\r\n', ['anna', 'boris']],
    ['with a line of names', '\ufeffproduct;User\nerp;Anna\nerp;"O;Neil"\n', ['Anna', 'O;Neil']],
    ['as it is saved', "user,assignedAt\n'=anna,2026-01-01\n", ['=anna']],
    ['with empty lines', '\nanna\n\n', ['anna']],
    ['of nobody', '', []],
  ])('is read: %s', (_, table, users) => {
    expect(usersIn(table)).toEqual(users);
  });
  it.each([
    ['user\nanna\n,x\n', /line 3 of the table/],
    [`${'x'.repeat(201)}\n`, /line 1 of the table/],
    ['"anna\n', /the body is no table/],
  ])('that is none is refused with its line: %j', (table, why) => {
    expect(() => usersIn(table)).toThrow(expect.objectContaining({ message: expect.stringMatching(why) }));
  });
});
