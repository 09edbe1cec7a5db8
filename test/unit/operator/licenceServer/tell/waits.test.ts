import { describe, expect, test } from 'vitest';
import type { SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { statusOf } from '../../../../../operator/licenceServer/tell/status.ts';
import { defaults, licenceServer, nowMs, observed, valid } from '../world.ts';

const minute = 60_000;
function pass(before: Status, seen: Observed, spec: SpecInput = {}) {
  const server = licenceServer(spec, { status: before });
  const judged = valid(server, seen);
  return statusOf(server, {
    valid: judged,
    observed: seen,
    plan: plan(judged, before, seen, defaults),
    before,
    refusals: [],
  });
}
const is = (status: Status, type: string) => status.conditions?.find((c) => c.type === type);
const summary = (status: Status) => [
  is(status, 'Ready')?.status,
  is(status, 'Reconciling')?.status,
  is(status, 'Stalled')?.status,
];
const inProgress = ['False', 'True', 'False'];
const failed = ['False', 'False', 'True'];

const missing = { kind: 'missing', message: 'Secret x does not exist; create it' } as const;
const noKey = {
  keySources: [
    { name: 'erp', kind: 'fault', reason: 'SecretMissing', message: 'key erp: Secret keys does not exist; create it' },
  ],
} satisfies Partial<Observed>;

describe('what spec refers to and is not there yet', () => {
  const cases: readonly [string, Partial<Observed>, SpecInput, string][] = [
    ["a key's Secret", noKey, {}, 'SecretMissing'],
    ['the trusted keys', { trust: missing }, {}, 'TrustedKeysMissing'],
    ['the certificates of a CA', { ca: missing }, {}, 'CertificatesMissing'],
    ['the certificate', { tls: missing }, {}, 'CertificateMissing'],
    ["the database's Secret", { database: missing }, {}, 'DatabaseSecretMissing'],
    ['a claim', { claim: undefined }, { storage: { existingClaim: 'mine' } }, 'ClaimMissing'],
  ];
  test.each(cases)('%s is a wait for five minutes, then a matter for a person', (_, more, spec, reason) => {
    const at = (ms: number) => observed({ copies: {}, server: { kind: 'none' }, ...more, atMs: nowMs + ms });
    const first = pass({}, at(0), spec);
    expect(summary(first.status)).toEqual(inProgress);
    expect(is(first.status, 'Reconciling')).toMatchObject({ reason });
    // It looks again when the wait is over, without being told.
    expect(first.dueAtMs).toBe(nowMs + 5 * minute);
    const later = pass(first.status, at(5 * minute - 1_000), spec).status;
    expect(summary(later)).toEqual(inProgress);
    const over = pass(later, at(5 * minute), spec);
    expect(summary(over.status)).toEqual(failed);
    expect(is(over.status, 'Stalled')).toMatchObject({ reason });
    expect(over.dueAtMs).toBeUndefined();
    const back = pass(over.status, observed({ copies: {}, server: { kind: 'none' }, atMs: nowMs + 6 * minute }), {
      ...spec,
      storage: {},
    }).status;
    expect(back.missing).toBeUndefined();
    expect(is(back, 'Stalled')?.status).toBe('False');
  });

  test('begins a wait of its own when something else is missing, and several are one', () => {
    const first = pass({}, observed({ ...noKey, database: missing })).status;
    expect(summary(first)).toEqual(inProgress);
    const other = observed({ database: missing, atMs: nowMs + 5 * minute });
    expect(summary(pass(first, other).status)).toEqual(inProgress);
  });

  test('does not hide what no waiting mends', () => {
    const wrong = { name: 'erp', kind: 'fault', reason: 'KeyMalformed', message: 'key erp: no key' } as const;
    expect(summary(pass({}, observed({ keySources: [wrong], database: missing })).status)).toEqual(failed);
  });
});
