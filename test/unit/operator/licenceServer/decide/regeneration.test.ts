import { describe, expect, test } from 'vitest';
import type { RegenerationStatus, Status } from '../../../../../operator/licenceServer/api/types.ts';
import {
  decideRegeneration,
  type RegenerationInput,
  regenerationCallOf,
  regenerationInputOf,
} from '../../../../../operator/licenceServer/decide/regeneration.ts';
import {
  regeneratedIn,
  successorOf,
  withSuccessors,
} from '../../../../../operator/licenceServer/observe/successors.ts';
import { licenceServer, observed, valid } from '../world.ts';

const nowMs = Date.parse('2030-01-01T12:00:00Z');
const status = (more: Partial<RegenerationStatus> = {}): RegenerationStatus => ({
  request: 'r1',
  key: 'erp',
  keyId: 'id-old',
  phase: 'Asked',
  phaseAt: '2030-01-01T11:00:00Z',
  attempts: 0,
  ...more,
});
const input = (more: Partial<RegenerationInput> = {}): RegenerationInput => ({
  nowMs,
  request: 'r1',
  before: undefined,
  desired: { ok: true, copy: 'c', keys: { erp: { digest: 'd', keyId: 'id-old' } } },
  obstacle: undefined,
  isOutdated: false,
  ...more,
});
const two = {
  ok: true,
  copy: 'c',
  keys: { erp: { digest: 'd', keyId: 'id-erp' }, crm: { digest: 'e', keyId: 'id-crm' } },
} as const;
const budget = { regenerationsLeft: 2, regenerationsResetAt: '2030-02-01T00:00:00Z' };
const allowance = (more: object = {}) =>
  ({
    call: 'allowance',
    answer: { ok: true, answer: { keyId: 'id-old', newestKeyId: 'id-old', ...budget, ...more } },
  }) as never;
const refusal = (reason: string, more: object = {}) =>
  ({ call: 'regenerate', answer: { ok: false, reason, message: 'm', ...more } }) as never;

describe('a request for a new key', () => {
  test.each<[string, Partial<RegenerationInput>, Partial<RegenerationStatus> | undefined]>([
    ['is noted before it is acted on', {}, { phase: 'Asked', keyId: 'id-old', request: 'r1' }],
    ['names its key where there are several', { desired: two, request: 'crm@r1' }, { phase: 'Asked', keyId: 'id-crm' }],
    ['that names none of several is refused', { desired: two }, { phase: 'Refused', reason: 'KeyNotNamed' }],
    ['of a key that spec has not is refused', { request: 'hr@1' }, { phase: 'Refused', reason: 'KeyNotInSpec' }],
    ['waits for keys that cannot be read', { desired: { ok: false, reason: 'SecretMissing', message: '' } }, undefined],
    ['is not made twice', { before: status({ phase: 'Made' }) }, { phase: 'Made' }],
    [
      'with another value is another one',
      { before: status({ phase: 'Made' }), request: 'r2' },
      { phase: 'Asked', request: 'r2' },
    ],
    [
      'that was taken back leaves what was noted',
      { before: status({ phase: 'Made' }), request: undefined },
      { phase: 'Made' },
    ],
    [
      'shows the budget before it is spent',
      { before: status(), answer: allowance() },
      { phase: 'Allowed', regenerationsLeft: 2 },
    ],
    [
      'without a budget is refused with the date',
      { before: status(), answer: allowance({ regenerationsLeft: 0 }) },
      {
        phase: 'Refused',
        reason: 'RegenerationLimit',
        regenerationsLeft: 0,
        regenerationsResetAt: '2030-02-01T00:00:00Z',
      },
    ],
    [
      'of a key that is not the newest is refused',
      { before: status(), answer: allowance({ newestKeyId: 'id-new' }) },
      { phase: 'Refused', reason: 'KeySuperseded' },
    ],
    [
      'whose budget somebody else has spent meanwhile is refused',
      {
        before: status({ phase: 'Allowed' }),
        answer: refusal('RegenerationLimit', { resetAt: '2030-03-01T00:00:00Z' }),
      },
      { phase: 'Refused', regenerationsLeft: 0, regenerationsResetAt: '2030-03-01T00:00:00Z' },
    ],
    [
      'waits as long as the authority says',
      { before: status({ phase: 'Allowed' }), answer: refusal('AuthorityUnreachable', { retryAfterSeconds: 600 }) },
      { phase: 'Allowed', attempts: 1, nextAttemptAt: '2030-01-01T12:10:00Z' },
    ],
  ])('%s', (_, given, expected) => {
    const decided = decideRegeneration(input(given)).status;
    if (expected === undefined) expect(decided).toBeUndefined();
    else expect(decided).toMatchObject(expected);
  });

  test.each<[string, Partial<RegenerationInput>, string | undefined]>([
    ['nothing before it is noted', {}, undefined],
    ['what is left, once it is noted', { before: status() }, 'allowance'],
    ['the key, once that is noted', { before: status({ phase: 'Allowed' }) }, 'regenerate'],
    ['nothing before its time', { before: status({ nextAttemptAt: '2030-01-01T12:00:01Z' }) }, undefined],
    ['nothing of what is over', { before: status({ phase: 'Refused' }) }, undefined],
    ['nothing for a value that is gone', { before: status({ phase: 'Allowed' }), request: 'r2' }, undefined],
  ])('asks the authority for %s', (_, given, call) => {
    expect(regenerationCallOf(input(given))).toBe(call);
  });
});

describe('a request for a new key that is under way when no key may be made any more', () => {
  const obstacle = { reason: 'RegenerationDisabled', message: 'm' };
  test('is over if it has only asked, and waits if something may have been spent', () => {
    const asked = decideRegeneration(input({ before: status(), obstacle }));
    expect(asked.status).toMatchObject({ phase: 'Refused', reason: 'RegenerationDisabled' });
    const allowed = decideRegeneration(input({ before: status({ phase: 'Allowed' }), obstacle }));
    expect(allowed.status).toMatchObject({ phase: 'Allowed', reason: 'RegenerationDisabled' });
    expect([asked.wakeAtMs, allowed.wakeAtMs]).toEqual([undefined, undefined]);
  });
  test.each(['Asked', 'Allowed'] as const)('makes no call: %s', (phase) => {
    expect(regenerationCallOf(input({ before: status({ phase }), obstacle }))).toBeUndefined();
  });
  test('whose time has come without an answer wakes nobody for it', () => {
    const before = status({ phase: 'Allowed', nextAttemptAt: '2030-01-01T11:59:59Z' });
    expect(decideRegeneration(input({ before })).wakeAtMs).toBeUndefined();
  });
});

describe('a request that came along with a restored LicenceServer', () => {
  const asked = (value: string, created: string, before: Status = {}) => {
    const annotations = { 'licensing.softonit.ru/regenerate-at': value };
    const server = licenceServer({}, { annotations, creationTimestamp: created });
    return decideRegeneration(regenerationInputOf(valid(server, observed()), before, nowMs, true)).status;
  };
  const made = '2030-01-01T11:00:00Z';
  test.each<[string, string, Status, string]>([
    ['older than it is refused', 'erp@2030-01-01T10:59:59Z', {}, 'RequestOutdated'],
    ['older than it, without a name, is refused', '2029-12-31T00:00:00Z', { observedGeneration: 1 }, 'RequestOutdated'],
    ['that is no moment is refused if it was there from the first', 'again', {}, 'RequestOutdated'],
    ['that is no moment counts if it came later', 'again', { observedGeneration: 1 }, 'TokenNotNamed'],
    ['that only looks like one counts too', 'erp@1', { observedGeneration: 1 }, 'TokenNotNamed'],
    ['of its own time counts', `erp@${made}`, {}, 'TokenNotNamed'],
  ])('%s', (_, value, before, reason) => {
    // What counts gets as far as the next obstacle: there is no token here.
    expect(asked(value, made, before)).toMatchObject({ phase: 'Refused', reason });
  });
});

describe('a regenerated key', () => {
  const secret = (name: string, replaces: string, keyId: string) => ({
    metadata: {
      name,
      labels: { 'licensing.softonit.ru/replaces': replaces },
      annotations: {
        'licensing.softonit.ru/key-name': 'erp',
        'licensing.softonit.ru/key-id': keyId,
        'licensing.softonit.ru/key-digest': `d-${keyId}`,
      },
    },
  });
  const made = regeneratedIn([
    secret('s2', 'b', 'c'),
    secret('s1', 'a', 'b'),
    { metadata: { name: 'office-identity' } },
  ]);

  test('stands in for the one that it replaces, over any number of generations', () => {
    expect(successorOf(made, 'erp', 'a')).toMatchObject({ secret: 's2', keyId: 'c' });
    expect(successorOf(made, 'erp', 'x')).toBeUndefined();
    expect(successorOf(made, 'crm', 'a')).toBeUndefined();
    const sources = [{ name: 'erp', kind: 'found', keyId: 'a', digest: 'd-a' } as const];
    expect(withSuccessors(sources, made)).toEqual([{ name: 'erp', kind: 'found', keyId: 'c', digest: 'd-c' }]);
  });

  test('leads nowhere for ever, whatever the annotations say', () => {
    const circle = regeneratedIn([secret('s1', 'a', 'b'), secret('s2', 'b', 'a')]);
    expect(successorOf(circle, 'erp', 'a')?.secret).toBe('s2');
  });
});

test('a moment that a clock wrote which was days ahead puts no call off until then', () => {
  const before = status({ nextAttemptAt: '2030-01-04T12:00:00Z' });
  expect(regenerationCallOf(input({ before }))).toBe('allowance');
  expect(decideRegeneration(input({ before })).wakeAtMs).toBeUndefined();
  const patient = decideRegeneration(
    input({ before, answer: refusal('AuthorityUnreachable', { retryAfterSeconds: 1_000_000 }) }),
  );
  expect(patient.wakeAtMs).toBe(nowMs + 24 * 3_600_000);
  expect(regenerationCallOf(input({ before: patient.status }))).toBeUndefined();
});
