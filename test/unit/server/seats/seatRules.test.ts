import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ruleDoubts } from '../../../../licence/ruleDoubts.ts';
import { GroupFiles } from '../../../../server/seats/groupFiles.ts';
import { holderKey } from '../../../../server/seats/holderKey.ts';
import { compileRules, groupOf, parseRules } from '../../../../server/seats/seatRules.ts';

const rulesOf = (...rules: object[]) =>
  parseRules(JSON.stringify(rules.map((r, i) => ({ name: `r${i + 1}`, product: 'erp', ...r }))));
const groups = new Map([['accounting', groupOf(['Anna', 'buh-*', 'PC-9'])]]);
const said = (rules: object[], user: string, base = 'trade', host = 'pc-1') =>
  compileRules([], rulesOf(...rules), groups)(holderKey({ base, user, host, session: '' }));

describe('rules', () => {
  it('match who is named or in a group, narrowed by bases and hosts, without regard to case', () => {
    const rule = { match: { users: ['BOSS?'], groups: ['accounting'], bases: ['trade*'], hosts: ['pc-*'] }, max: 2 };
    const caps = [{ rule: 'r1', tally: 'r1', most: 2 }];
    for (const user of ['boss1', 'ANNA', 'Buh-7']) expect(said([rule], user).caps).toEqual(caps);
    expect(said([rule], 'nobody', 'trade-2', 'PC-9').caps).toEqual(caps); // a group lists computers, too
    expect(said([rule], 'anna', 'zup').caps).toEqual([]);
    expect(said([rule], 'anna', 'trade', 'laptop').caps).toEqual([]);
    expect(said([rule], 'boss').caps).toEqual([]);
  });
  it('bound all that match, the first reservation and priority that match count', () => {
    const rules = [
      { match: { users: ['a*'] }, priority: 5 },
      { match: { users: ['a*'] }, max: 7 },
      { match: { users: ['anna'] }, maxEach: 1 },
      { match: { users: ['anna'] }, priority: 9 },
      { match: { users: ['b*'] }, reserve: 2 },
      { match: { users: ['*'] }, reserve: 3 },
    ];
    expect(said(rules, 'anna')).toEqual({
      slot: 2,
      priority: 5,
      caps: [
        { rule: 'r2', tally: 'r2', most: 7 },
        { rule: 'r3', tally: 'r3\u001fanna', most: 1 },
      ],
    });
    expect(said(rules, 'boris')).toEqual({ slot: 1, priority: 0, caps: [] });
  });
  it('of idleAfter and minimumHold the first that match count, each for itself', () => {
    const rules = [
      { match: { users: ['a*'] }, idleAfter: '1h30m' },
      { match: { bases: ['test*'] }, minimumHold: '90s' },
      { idleAfter: '30m' },
    ];
    expect(said(rules, 'anna')).toMatchObject({ idleAfterMs: 5_400_000, holdMs: undefined, caps: [] });
    expect(said(rules, 'boris', 'test-1')).toMatchObject({ idleAfterMs: 1_800_000, holdMs: 90_000, priority: 0 });
  });
  it('keep out whom they exclude, and whoever none of those names that only let some in', () => {
    const only = [
      { match: { groups: ['accounting'] }, onlyThese: true },
      { match: { bases: ['zup'] }, onlyThese: true },
    ];
    expect(said(only, 'anna').caps).toEqual([]);
    expect(said(only, 'boris', 'ZUP').caps).toEqual([]);
    expect(said(only, 'boris').caps).toEqual([{ rule: 'r1', tally: 'r1', most: 0 }]);
    expect(said([{ match: { users: ['boris'] }, allow: false }], 'Boris').caps).toMatchObject([{ most: 0 }]);
  });
  it.each([
    ['no effect', [{ name: 'a', product: 'erp' }], /rule a: must have one of/],
    ['two effects', [{ name: 'a', product: 'erp', max: 1, reserve: 1 }], /rule a: must have one of/],
    ['allow: true', [{ name: 'a', product: 'erp', allow: true }], /rule a, allow: /],
    ['a bound of none', [{ name: 'a', product: 'erp', max: 0 }], /rule a, max: /],
    [
      'no duration',
      [{ name: 'a', product: 'erp', idleAfter: 'soon' }],
      /rule a, idleAfter: must be a duration from 60s/,
    ],
    ['too short an idleness', [{ name: 'a', product: 'erp', idleAfter: '59s' }], /rule a, idleAfter: /],
    ['too long a hold', [{ name: 'a', product: 'erp', minimumHold: '25h' }], /rule a, minimumHold: /],
    ['a number for a hold', [{ name: 'a', product: 'erp', minimumHold: 60 }], /rule a, minimumHold: /],
    ['a negative reservation', [{ name: 'a', product: 'erp', reserve: -1 }], /rule a, reserve: /],
    ['a member that is no rule', [{ name: 'a', product: 'erp', max: 1, colour: 'red' }], /rule a: .*colour/],
    ['an empty pattern', [{ name: 'a', product: 'erp', max: 1, match: { users: [''] } }], /rule a, match, users, 0: /],
    ['a name that is none', [{ name: 'a:b', product: 'erp', max: 1 }], /rule a:b, name: /],
    ['two of one name', [1, 2].map(() => ({ name: 'a', product: 'erp', max: 1 })), /rule a: there are two/],
    ['no list', { name: 'a' }, /list: /],
  ])('%s is refused with rule and field', (_, value, why) => {
    expect(() => parseRules(JSON.stringify(value))).toThrow(why);
  });
  it('looks a name up among 10,000 at the cost of one', () => {
    const many = groupOf(Array.from({ length: 10_000 }, (_, i) => `user-${i}`));
    expect(many.names.size).toBe(10_000);
    expect(many.patterns).toBeUndefined();
  });
});

describe('doubts', () => {
  const doubts = (rules: object[], seatLimit = 10, reserved = 0) =>
    ruleDoubts('erp', rulesOf(...rules), { seatLimit, groups, reserved });
  it.each<[string, object[], RegExp]>([
    ['a group that is not there', [{ match: { groups: ['sales'] }, max: 1 }], /r1 names the group sales/],
    ['a bound beyond the licence', [{ match: { users: ['a'] }, max: 10 }], /r1 can never matter: max 10/],
    ['only everybody', [{ onlyThese: true }], /r1 can never matter/],
    ['a reservation for everybody', [{ reserve: 1 }], /r1 can never matter/],
    ['nobody at all', [{ allow: false }], /r1 lets nobody/],
    [
      'a reservation behind a wider one',
      [
        { match: { bases: ['zup'] }, reserve: 1 },
        { match: { bases: ['zup'], users: ['a'] }, reserve: 1 },
      ],
      /r2 can never matter: rule r1/,
    ],
    [
      'a higher bound of fewer people',
      [
        { match: { users: ['a'] }, max: 5 },
        { match: { users: ['a', 'b'] }, max: 3 },
      ],
      /r1 can never matter: rule r2/,
    ],
    [
      'more reserved than bought',
      [
        { match: { users: ['a'] }, reserve: 8 },
        { match: { users: ['b'] }, reserve: 5 },
      ],
      /reserve 13 seats/,
    ],
  ])('%s', (_, rules, told) => {
    expect(doubts(rules).join('; ')).toMatch(told);
  });
  it('there are none about rules that do what they say', () => {
    expect(
      doubts([
        { match: { groups: ['accounting'] }, reserve: 3 },
        { match: { groups: ['accounting'], bases: ['zup'] }, max: 2 },
        { match: { users: ['guest*'] }, maxEach: 1 },
        { match: { users: ['boss'] }, priority: 9 },
        { match: { bases: ['test*'] }, allow: false },
      ]),
    ).toEqual([]);
  });
});

describe('group files', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'groups-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it('have a name or a pattern a line, and are read again when they change', async () => {
    const files = new GroupFiles(dir);
    writeFileSync(join(dir, 'sales'), '# people\r\nAnna\r\n\r\n  boris-* \n');
    const first = await files.read();
    const sales = first.groups.get('sales');
    expect([sales?.names.has('anna'), sales?.patterns?.test('boris-7'), first.troubles]).toEqual([true, true, []]);
    expect((await files.read()).digest).toBe(first.digest);
    writeFileSync(join(dir, 'sales'), 'vera\n');
    const then = await files.read();
    expect(then.digest).not.toBe(first.digest);
    expect([...(then.groups.get('sales')?.names ?? [])]).toEqual(['vera']);
    rmSync(join(dir, 'sales'));
    expect((await files.read()).groups.size).toBe(0);
  });
  it('of 100 MB, or with what is no name, are told, and what was read before counts on', async () => {
    const files = new GroupFiles(dir);
    writeFileSync(join(dir, 'sales'), 'anna\n');
    const { digest } = await files.read();
    truncateSync(join(dir, 'sales'), 100 << 20);
    const huge = await files.read();
    expect(huge.troubles).toEqual([expect.stringMatching(/group sales has 104857600 bytes: at most .* counts on/)]);
    expect([huge.digest, huge.groups.get('sales')?.names.has('anna')]).toEqual([digest, true]);
    writeFileSync(join(dir, 'sales'), `${'x'.repeat(300)}\n`);
    expect((await files.read()).troubles).toEqual([expect.stringContaining('at most 200 characters')]);
    writeFileSync(join(dir, 'new'), 'a\u0000b\n');
    expect((await files.read()).troubles).toContainEqual(expect.stringMatching(/group new .*fits nobody/));
  });
  it('a directory that is gone leaves the groups as they were', async () => {
    const files = new GroupFiles(join(dir, 'in'));
    expect((await files.read()).troubles).toEqual([expect.stringContaining('cannot be read (ENOENT)')]);
  });
});
