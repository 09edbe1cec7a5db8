import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical } from '../../../../../operator/licenceServer/api/digest.ts';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';
import { rotationPhases } from '../../../../../operator/licenceServer/api/schema/status.ts';
import { momentOf } from '../../../../../operator/licenceServer/api/times.ts';
import { decideRegeneration } from '../../../../../operator/licenceServer/decide/regeneration.ts';
import { decideRotation } from '../../../../../operator/licenceServer/decide/rotation.ts';
import { decideStaleSeats } from '../../../../../operator/licenceServer/decide/staleSeats.ts';
import type { ServerAnswer } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';

const nowMs = Date.parse('2030-01-01T12:00:00Z');
const maybe = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: undefined });
/** Moments around now, and exactly now. */
const atMs = fc.oneof(fc.constant(nowMs), fc.integer({ min: nowMs - 8_640_000, max: nowMs + 8_640_000 }));
const moments = atMs.map(momentOf);
const present = (object: object) => Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined));

const servers: fc.Arbitrary<ServerAnswer> = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc.record({ kind: fc.constant('unreachable' as const), atMs, message: fc.constant('down') }),
  fc.record({
    kind: fc.constant('answered' as const),
    atMs,
    status: fc.record({
      version: fc.constant('1'),
      startedAt: moments,
      fingerprint: fc.constant('f'),
      products: fc.array(
        fc.record({
          product: fc.constant('erp'),
          seatLimit: fc.constant(9),
          seatsInUse: fc.integer({ min: 0, max: 9 }),
          seatsStale: fc.integer({ min: 0, max: 3 }),
          holdersWaiting: fc.integer({ min: 0, max: 1 }),
        }),
        { maxLength: 1 },
      ),
      keys: fc.array(
        fc.record({
          name: fc.constant('erp'),
          keyId: fc.constantFrom('id-a', 'id-b'),
          state: fc.constantFrom('Active' as const, 'Pending' as const, 'Refused' as const),
          source: fc.constant('configuration' as const),
        }),
        { maxLength: 1 },
      ),
    }),
  }),
);
const gates = fc.oneof(
  fc.constant({ open: true } as const),
  atMs.map((ms) => ({ open: false, opensAtMs: ms }) as const),
);
const copy = fc.constantFrom('keys-a', 'keys-b');
const desired = fc.oneof(
  fc.constant({ ok: false, reason: 'SecretMissing', message: '' } as const),
  fc
    .constantFrom('a', 'b')
    .map((name) => ({ ok: true, copy: `keys-${name}`, keys: { erp: { digest: name, keyId: `id-${name}` } } }) as const),
);

/** A pass at a time that is over repeats itself for ever; one at this very moment is for what was only now written down. */
function expectNoLoop(wakeAtMs: number | undefined, before: unknown, after: unknown): void {
  if (wakeAtMs === undefined || wakeAtMs > nowMs) return;
  expect(wakeAtMs).toBe(nowMs);
  expect(canonical({ after })).not.toBe(canonical({ after: before }));
}
const runs = { numRuns: 5_000 };

describe('no pass wakes the next one for a moment that is over, unless it has written something', () => {
  test('of a rotation', () => {
    const status = fc
      .record({
        copy,
        key: fc.constant('erp'),
        phase: fc.constantFrom(...rotationPhases),
        startedAt: moments,
        phaseAt: moments,
        attempts: fc.integer({ min: 0, max: 3 }),
        nextAttemptAt: maybe(moments),
        retriedAt: maybe(fc.constantFrom('1', '2')),
        reason: maybe(fc.constantFrom('KeyRevoked', 'ServerUnreachable')),
      })
      .map((s) => present(s) as never);
    const input = fc.record({
      nowMs: fc.constant(nowMs),
      desired,
      copies: fc.subarray(['a', 'b']).map((names) => Object.fromEntries(names.map((n) => [`keys-${n}`, { erp: n }]))),
      deployed: maybe(fc.record({ copy, settled: fc.boolean() })),
      rotation: maybe(status),
      proven: maybe(copy),
      suspended: fc.boolean(),
      checkable: fc.constant(true),
      server: servers,
      check: maybe(
        fc.oneof(
          fc.constant({ kind: 'usable' } as const),
          fc.constant({ kind: 'refused', key: 'erp', fault: { reason: 'KeyRevoked', message: '' } } as const),
        ),
      ),
      gate: gates,
      verifyTimeoutMs: fc.constantFrom(30_000, 300_000),
      retryAt: maybe(fc.constantFrom('1', '2')),
    });
    fc.assert(
      fc.property(input, (given) => {
        const { deployed, ...rest } = given;
        const decision = decideRotation({ ...rest, ...(deployed === undefined ? {} : { deployed }) });
        expectNoLoop(decision.wakeAtMs, [given.rotation, given.proven], [decision.rotation, decision.proven]);
        // What a failure goes back to is never forgotten.
        if (given.proven !== undefined) expect(decision.proven).toBeDefined();
      }),
      runs,
    );
  });

  test('of stale seats', () => {
    const windows = [{ schedule: '0 3 * * *', duration: '1h' }];
    const specs = fc
      .record({
        policy: fc.constantFrom('Roll' as const, 'Release' as const, 'Ignore' as const),
        when: fc.constantFrom('Idle' as const, 'Always' as const, 'Exhausted' as const, 'Window' as const),
      })
      .map((spec) => licenceServerSpec.parse({ staleSeats: { ...spec, windows } }).staleSeats);
    const by = fc.constantFrom('Roll' as const, 'Release' as const);
    const status = fc
      .record({
        since: maybe(moments),
        clearing: maybe(fc.record({ id: fc.constantFrom('c1', 'c2'), by, startedAt: moments, before: fc.constant(2) })),
        lastClearing: maybe(fc.record({ at: moments, by, before: fc.constant(2), after: fc.constant(1) })),
      })
      .map((s) => present(s) as never);
    const input = fc.record({
      nowMs: fc.constant(nowMs),
      spec: specs,
      suspended: fc.boolean(),
      before: maybe(status),
      server: servers,
      deployed: maybe(fc.record({ settled: fc.boolean(), clearing: maybe(fc.constant('c1')) })),
      busy: fc.boolean(),
      fleet: fc.boolean().map((budget) => ({ budget, message: '' })),
    });
    fc.assert(
      fc.property(input, (given) => {
        const decision = decideStaleSeats(given);
        expectNoLoop(decision.wakeAtMs, given.before, decision.status);
        // None is in flight for longer than its time.
        const started = decision.status?.clearing?.startedAt;
        if (started !== undefined) expect(nowMs - Date.parse(started)).toBeLessThan(10 * 60_000);
        if (given.suspended) expect(decision.status?.clearing).toBeUndefined();
      }),
      runs,
    );
  });

  test('of a regeneration', () => {
    const input = fc.record({
      nowMs: fc.constant(nowMs),
      request: maybe(fc.constantFrom('r1', 'r2')),
      isOutdated: fc.boolean(),
      before: maybe(
        fc
          .record({
            request: fc.constantFrom('r1', 'r2'),
            key: fc.constant('erp'),
            keyId: fc.constant('id-a'),
            phase: fc.constantFrom('Asked' as const, 'Allowed' as const, 'Made' as const, 'Refused' as const),
            phaseAt: moments,
            attempts: fc.integer({ min: 0, max: 3 }),
            nextAttemptAt: maybe(moments),
          })
          .map((s) => present(s) as never),
      ),
      desired,
      obstacle: maybe(fc.constant({ reason: 'RegenerationDisabled', message: '' })),
    });
    fc.assert(
      fc.property(input, (given) => {
        const decision = decideRegeneration(given);
        expectNoLoop(decision.wakeAtMs, given.before, decision.status);
      }),
      runs,
    );
  });
});
