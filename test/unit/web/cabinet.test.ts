import { describe, expect, it } from 'vitest';
import { dayOf, endOfDay } from '../../../web/cabinet/src/logic/ends.ts';
import { licenceState, shortFingerprint } from '../../../web/cabinet/src/logic/licenceState.ts';
import { recordedTerms } from '../../../web/cabinet/src/logic/recordedTerms.ts';
import { parseRequestFile } from '../../../web/cabinet/src/logic/requestFile.ts';
import { formatRoute, parseRoute, viewOf } from '../../../web/cabinet/src/logic/route.ts';
import type { Licence } from '../../../web/cabinet/src/wire.ts';

const now = Date.parse('2026-12-01T12:00:00Z');
const past = '2026-11-30T12:00:00Z';
const key = { keyId: 'k', generation: 1, madeBy: 'issue' } as const;
const licence = (more: Partial<Licence>): Licence => ({
  licenceId: 'lic-1',
  organisation: 'Romashka',
  organisationId: 'org-1',
  product: 'erp',
  seatLimit: 5,
  supportPolicy: 'warn',
  features: [],
  regenerationsLeft: 3,
  regenerationsResetAt: '2027-01-01T00:00:00Z',
  keys: [{ ...key, fingerprint: 'sha256:0' }],
  ...more,
});

describe('how a licence stands', () => {
  it.each([
    ['active', {}],
    ['unused', { keys: [key] }],
    ['supportEnded', { supportUntil: past }],
    ['expired', { supportUntil: past, expiresAt: past }],
    ['suspected', { expiresAt: past, keys: [{ ...key }, { ...key, cloneSuspectedAt: past }] }],
    ['revoked', { revokedAt: past, keys: [{ ...key, cloneSuspectedAt: past }] }],
  ] as const)('%s: the worst is what is said', (state, more) => {
    expect(licenceState(licence(more), now)).toBe(state);
  });
});

it('a fingerprint is shortened to what can be compared by eye', () => {
  expect(shortFingerprint(`sha256:${'0123456789abcdef'.repeat(4)}`)).toBe('sha256:0123456789…');
});

it('a day ends at its last second on this computer, and is the day again', () => {
  const at = endOfDay('2027-06-30');
  expect(dayOf(at)).toBe('2027-06-30');
  expect(dayOf(new Date(Date.parse(at ?? '') + 1_000).toISOString())).toBe('2027-07-01');
  expect([endOfDay(''), endOfDay('soon'), dayOf(undefined)]).toEqual([undefined, undefined, '']);
});

it('a request file is one with all its members, with a byte order mark or without', () => {
  const request = { key: 'K', fingerprint: 'f', publicKey: 'p', sequence: 0, requestedAt: 'r', signature: 's' };
  expect(parseRequestFile(`\uFEFF${JSON.stringify(request)}`)).toEqual(request);
  const { signature: _, ...unsigned } = request;
  for (const text of ['', 'x', 'null', '[]', '"x"', JSON.stringify(unsigned)])
    expect(parseRequestFile(text)).toBeUndefined();
});

describe('the address', () => {
  it('leads nobody into a view of another role', () => {
    expect(viewOf(parseRoute('#/people'), 'customer')).toBe('keys');
    expect(viewOf(parseRoute('#/people'), 'vendor')).toBe('people');
    expect(viewOf(parseRoute('#/<script>'), 'customer')).toBe('keys');
    expect(viewOf(parseRoute(''), 'vendor')).toBe('customers');
  });
  it('carries a filter, a token of an invitation, a reason', () => {
    expect(parseRoute(formatRoute('licences', { organisation: 'org-1', suspected: '' }))).toMatchObject({
      view: 'licences',
      query: { organisation: 'org-1' },
    });
    expect(parseRoute('#/invitation/TOKEN')).toMatchObject({ view: 'invitation', rest: 'TOKEN' });
    expect(parseRoute('#/sign-on/PersonUnknown')).toMatchObject({ view: 'sign-on', rest: 'PersonUnknown' });
  });
});

describe('what the history says of terms', () => {
  it.each([
    [
      '{"seatLimit":8,"supportUntil":"2027-12-31T20:59:59Z"}',
      [
        ['seatLimit', '8'],
        ['supportUntil', '2027-12-31T20:59:59Z'],
      ],
    ],
    [
      '{"expiresAt":null,"features":["payroll","hr"],"borrow":{"maxHours":48}}',
      [
        ['expiresAt', null],
        ['features', 'payroll, hr'],
        ['borrow', 'maxHours 48'],
      ],
    ],
    ['order 17', undefined],
    ['{order 17}', undefined],
  ])('%s', (detail, terms) => {
    expect(recordedTerms(detail)).toEqual(terms);
  });
});
