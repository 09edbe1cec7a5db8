import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeyFault } from '../../../../../licence/keyFaults.ts';
import type { KeyStatus } from '../../../../../licence/serverStatus.ts';
import type { RotationStatus } from '../../../../../operator/licenceServer/api/types.ts';
import {
  checkDue,
  decideRotation,
  type RotationDecision,
  type RotationInput,
} from '../../../../../operator/licenceServer/decide/rotation.ts';
import type { CheckResult } from '../../../../../operator/licenceServer/observe/checkResult.ts';
import type { DesiredKeys } from '../../../../../operator/licenceServer/observe/keySources.ts';
import type { ServerAnswer } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const away: KeyFault = { reason: 'AuthorityUnreachable', message: 'away' };
const revoked: KeyFault = { reason: 'KeyRevoked', message: 'revoked' };

const desired = (name: string): DesiredKeys & { ok: true } => ({
  ok: true,
  copy: `keys-${name}`,
  keys: { erp: { digest: name, keyId: `id-${name}` } },
});
const copies = (...names: string[]) => Object.fromEntries(names.map((n) => [`keys-${n}`, { erp: n }]));
const answered = (atMs: number, ...keys: Partial<KeyStatus>[]): ServerAnswer => ({
  kind: 'answered',
  atMs,
  status: {
    version: '1.0.0',
    startedAt: '2030-01-01T00:00:00Z',
    fingerprint: 'f',
    products: [],
    keys: keys.map((key) => ({ name: 'erp', state: 'Active', source: 'configuration', ...key })),
  },
});
const status = (name: string, phase: RotationStatus['phase'], more: Partial<RotationStatus> = {}): RotationStatus => ({
  copy: `keys-${name}`,
  key: 'erp',
  phase,
  startedAt: '2030-01-01T11:00:00Z',
  phaseAt: '2030-01-01T11:59:00Z',
  attempts: 0,
  ...more,
});
const input = (more: Partial<RotationInput> = {}): RotationInput => ({
  nowMs: now,
  desired: desired('new'),
  copies: copies('old', 'new'),
  deployed: { copy: 'keys-old', settled: true },
  rotation: status('old', 'Active'),
  proven: 'keys-old',
  suspended: false,
  checkable: true,
  server: answered(now, { keyId: 'id-old' }),
  gate: { open: true },
  verifyTimeoutMs: 300_000,
  ...more,
});
const decided = (more: Partial<RotationInput> = {}) => decideRotation(input(more));

describe('a rotation', () => {
  const nothing = { copies: {}, deployed: undefined, rotation: undefined, proven: undefined } as never;
  const cases: readonly [
    what: string,
    given: Partial<RotationInput>,
    phase: RotationStatus['phase'] | undefined,
    run: string | undefined,
    more?: Partial<RotationDecision>,
  ][] = [
    [
      'of the first keys goes straight to the pod: nobody is disturbed',
      { ...(nothing as object), server: { kind: 'none' } },
      'Rolling',
      'keys-new',
    ],
    [
      'of content that is not there yet has nothing to run with',
      { ...(nothing as object), desired: { ok: false, reason: 'SecretMissing', message: '' } },
      undefined,
      undefined,
    ],
    [
      'stays where it is while nothing changes',
      { desired: desired('old') },
      'Active',
      'keys-old',
      { proven: 'keys-old' },
    ],
    [
      'keeps what runs while the new content is not usable',
      { desired: { ok: false, reason: 'KeyMalformed', message: '' } },
      'Active',
      'keys-old',
    ],
    [
      'is staged while the server does not answer',
      { server: { kind: 'unreachable', atMs: now, message: 'down' } },
      'Staged',
      'keys-old',
    ],
    [
      'is staged while the authority is away',
      { check: { kind: 'passing', key: 'erp', fault: away } },
      'Staged',
      'keys-old',
    ],
    [
      'stays staged when the key is refused',
      { check: { kind: 'refused', key: 'erp', fault: revoked } },
      'Staged',
      'keys-old',
    ],
    [
      'rolls after the check, and not before that is written',
      { check: { kind: 'usable' } },
      'Rolling',
      'keys-old',
      { wakeAtMs: now },
    ],
    ['acts on the roll that was written', { rotation: status('new', 'Rolling') }, 'Rolling', 'keys-new'],
    [
      'waits for the window',
      { check: { kind: 'usable' }, gate: { open: false, opensAtMs: now + 5 } },
      'Checked',
      'keys-old',
      { wakeAtMs: now + 5 },
    ],
    ['needs no check while suspended', { suspended: true, server: { kind: 'none' } }, 'Rolling', 'keys-old'],
    ['needs no check offline', { checkable: false }, 'Rolling', 'keys-old'],
    [
      'waits for the pod',
      { rotation: status('new', 'Rolling'), deployed: { copy: 'keys-new', settled: false } },
      'Rolling',
      'keys-new',
    ],
    [
      'wants the proof when the pod is ready',
      { rotation: status('new', 'Rolling'), deployed: { copy: 'keys-new', settled: true } },
      'Proving',
      'keys-new',
    ],
    [
      'goes on where the record of the roll was lost',
      { rotation: status('new', 'Checked'), deployed: { copy: 'keys-new', settled: false } },
      'Rolling',
      'keys-new',
    ],
    [
      'is proven by the new pod',
      {
        rotation: status('new', 'Proving'),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { keyId: 'id-new' }),
      },
      'Active',
      'keys-new',
      { proven: 'keys-new' },
    ],
    [
      'is not proven by an answer from before',
      {
        rotation: status('new', 'Proving'),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now - 3_600_000, { keyId: 'id-new' }),
      },
      'Proving',
      'keys-new',
      { proven: 'keys-old' },
    ],
    [
      'is not proven by another key of that name',
      {
        rotation: status('new', 'Proving'),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { keyId: 'id-old' }),
      },
      'Proving',
      'keys-new',
      { proven: 'keys-old' },
    ],
    [
      'is rolled back when refused, and not before that is written',
      {
        rotation: status('new', 'Proving'),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { keyId: 'id-new', state: 'Refused', fault: revoked }),
      },
      'RolledBack',
      'keys-new',
      { proven: 'keys-old', wakeAtMs: now },
    ],
    [
      'acts on the roll-back that was written',
      {
        rotation: status('new', 'RolledBack', { nextAttemptAt: '2030-01-01T13:00:00Z' }),
        deployed: { copy: 'keys-new', settled: true },
      },
      'RolledBack',
      'keys-old',
    ],
    [
      'is not rolled back while the authority is away',
      {
        rotation: status('new', 'Proving', { phaseAt: '2030-01-01T00:00:00Z' }),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { keyId: 'id-new', state: 'Pending', fault: away }),
      },
      'Proving',
      'keys-new',
    ],
    [
      'is not rolled back while the server does not answer',
      {
        rotation: status('new', 'Proving', { phaseAt: '2030-01-01T00:00:00Z' }),
        deployed: { copy: 'keys-new', settled: true },
        server: { kind: 'unreachable', atMs: now, message: 'down' },
      },
      'Proving',
      'keys-new',
    ],
    [
      'is rolled back when no proof comes in time',
      {
        rotation: status('new', 'Proving', { phaseAt: '2030-01-01T11:55:00Z' }),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { keyId: 'id-new', state: 'Pending' }),
      },
      'RolledBack',
      'keys-new',
    ],
    [
      'has until then',
      {
        rotation: status('new', 'Proving', { phaseAt: '2030-01-01T11:55:01Z' }),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { keyId: 'id-new', state: 'Pending' }),
      },
      'Proving',
      'keys-new',
      { wakeAtMs: now + 1_000 },
    ],
    [
      'of first keys that are refused stays in place: there is nothing to go back to',
      {
        rotation: status('new', 'Proving'),
        proven: undefined,
        copies: copies('new'),
        deployed: { copy: 'keys-new', settled: true },
        server: answered(now, { state: 'Refused', fault: revoked }),
      },
      'Proving',
      'keys-new',
    ],
    [
      'is tried again after the back-off',
      { rotation: status('new', 'RolledBack', { nextAttemptAt: '2030-01-01T12:00:00Z' }) },
      'Staged',
      'keys-old',
    ],
    [
      'is not tried again before',
      { rotation: status('new', 'RolledBack', { nextAttemptAt: '2030-01-01T12:00:01Z' }) },
      'RolledBack',
      'keys-old',
      { wakeAtMs: now + 1_000 },
    ],
    [
      'is tried again when a person asks',
      { rotation: status('new', 'RolledBack', { nextAttemptAt: '2030-01-01T13:00:00Z' }), retryAt: '1' },
      'Staged',
      'keys-old',
    ],
    [
      'is tried once for each request',
      {
        rotation: status('new', 'RolledBack', { nextAttemptAt: '2030-01-01T13:00:00Z', retriedAt: '1' }),
        retryAt: '1',
      },
      'RolledBack',
      'keys-old',
    ],
    [
      'is given up when the old content returns before the roll',
      { desired: desired('old'), rotation: status('new', 'Staged') },
      undefined,
      'keys-old',
    ],
    [
      'goes straight back when the old content returns after it',
      { desired: desired('old'), rotation: status('new', 'Proving'), deployed: { copy: 'keys-new', settled: true } },
      'Rolling',
      'keys-old',
    ],
    [
      'puts a lost Deployment back with the proven keys',
      { deployed: undefined as never, server: { kind: 'none' } },
      'Staged',
      'keys-old',
    ],
    [
      'takes what runs as proven when status was lost',
      { rotation: undefined, proven: undefined },
      'Staged',
      'keys-old',
      { proven: 'keys-old' },
    ],
    [
      'leaves a copy that was never proven when its successor is refused too',
      {
        rotation: status('new', 'Staged'),
        copies: copies('old', 'new', 'bad'),
        deployed: { copy: 'keys-bad', settled: true },
        check: { kind: 'refused', key: 'erp', fault: revoked },
      },
      'Staged',
      'keys-old',
    ],
    [
      'is not tried again before the way back is at its end',
      { rotation: status('new', 'RolledBack'), deployed: { copy: 'keys-new', settled: true } },
      'RolledBack',
      'keys-old',
    ],
    [
      'cannot go back to a copy that is not to be seen, and keeps its name: it may be seen again',
      { copies: copies('new'), server: { kind: 'none' } },
      'Rolling',
      'keys-new',
      { proven: 'keys-old' },
    ],
    [
      'of which no copy is to be seen forgets neither the proven one nor how far it came',
      { rotation: status('new', 'RolledBack'), copies: {}, deployed: undefined as never },
      'RolledBack',
      undefined,
      { proven: 'keys-old' },
    ],
    [
      'keeps its record while the Secret is away',
      {
        rotation: status('new', 'Staged', { attempts: 3, reason: 'KeyRevoked', message: 'revoked' }),
        desired: { ok: false, reason: 'SecretMissing', message: '' },
      },
      'Staged',
      'keys-old',
      { rotation: status('new', 'Staged', { attempts: 3, reason: 'KeyRevoked', message: 'revoked' }) },
    ],
    [
      'whose pod went away rolls again first: the time for its proof begins anew',
      {
        rotation: status('new', 'Proving', { phaseAt: '2030-01-01T11:00:00Z' }),
        deployed: { copy: 'keys-new', settled: false },
      },
      'Rolling',
      'keys-new',
      { rotation: { phaseAt: '2030-01-01T12:00:00Z' } as never },
    ],
  ];
  test.each(cases)('%s', (_, given, phase, run, more = {}) => {
    const decision = decided(given);
    expect({ phase: decision.rotation?.phase, run: decision.run }).toEqual({ phase, run });
    expect(decision).toMatchObject(more);
  });

  test('of the first copy there ever was is proven by whoever answers, in one step; with another copy about it is not', () => {
    const first = {
      rotation: status('new', 'Rolling'),
      proven: undefined,
      deployed: { copy: 'keys-new', settled: true },
      server: answered(now, { keyId: 'id-new' }),
    };
    expect(decided({ ...first, copies: copies('new') })).toMatchObject({
      rotation: { phase: 'Active' },
      proven: 'keys-new',
      run: 'keys-new',
    });
    expect(decided({ ...first, copies: copies('old', 'new') }).rotation?.phase).toBe('Proving');
    const early = answered(now - 120_000, { keyId: 'id-new' });
    expect(decided({ ...first, copies: copies('new'), server: early }).rotation?.phase).toBe('Proving');
  });

  test('waits longer after each refusal, and not for ever', () => {
    const after = (attempts: number) => {
      const check: CheckResult = { kind: 'refused', key: 'erp', fault: revoked };
      const { wakeAtMs } = decided({ rotation: status('new', 'Staged', { attempts }), check });
      return (wakeAtMs ?? 0) - now;
    };
    expect([0, 1, 2, 20].map(after)).toEqual([600_000, 1_200_000, 2_400_000, 21_600_000]);
  });

  test('that is rolled back wakes nobody for a moment that is over', () => {
    const over = { rotation: status('new', 'RolledBack', { nextAttemptAt: '2030-01-01T11:00:00Z' }) };
    const gone = { desired: { ok: false, reason: 'SecretMissing', message: '' } } as const;
    expect(decided({ ...over, ...gone }).wakeAtMs).toBeUndefined();
    expect(decided({ ...over, deployed: { copy: 'keys-old', settled: false } }).wakeAtMs).toBeUndefined();
  });

  describe('that a person asks to be tried again', () => {
    const refused = {
      attempts: 2,
      reason: 'KeyRevoked',
      message: 'key erp: revoked',
      nextAttemptAt: '2030-01-01T17:00:00Z',
    };
    const asked = { rotation: status('new', 'Staged', refused), retryAt: '1' };
    const unseen: [string, Partial<RotationInput>][] = [
      ['did not answer yet', { server: { kind: 'none' } }],
      ['is away', { server: { kind: 'unreachable', atMs: now, message: 'down' } }],
      ['went away when it was to be asked', { check: { kind: 'unanswered', message: 'reset' } }],
    ];
    test.each(unseen)('waits for a server that %s, and still says why it was refused', (_, given) => {
      const { rotation } = decided({ ...asked, ...given });
      expect(rotation).toMatchObject({ phase: 'Staged', ...refused });
      expect(rotation).not.toHaveProperty('retriedAt');
      expect(checkDue(input({ ...asked, rotation }))).toBe(true);
    });

    test('is tried once, as soon as the server can be asked', () => {
      const again = decided({ ...asked, check: { kind: 'refused', key: 'erp', fault: revoked } });
      expect(again.rotation).toMatchObject({ retriedAt: '1', attempts: 3 });
      expect(checkDue(input({ ...asked, rotation: again.rotation }))).toBe(false);
    });

    test('is tried from the way back too', () => {
      const back = { rotation: status('new', 'RolledBack', refused), retryAt: '1' };
      const { rotation } = decided(back);
      expect(rotation).toMatchObject({ phase: 'Staged' });
      expect(checkDue(input({ ...back, rotation, server: { kind: 'none' } }))).toBe(false);
      expect(checkDue(input({ ...back, rotation }))).toBe(true);
    });
  });

  test('no longer says that the server does not answer when it does', () => {
    const away = { reason: 'ServerUnreachable', message: 'does not answer' };
    const later = { nextAttemptAt: '2030-01-01T17:00:00Z' };
    const { rotation } = decided({ rotation: status('new', 'Staged', { ...away, ...later }) });
    expect(rotation).toEqual(status('new', 'Staged', later));
  });

  test('tells of a check only where one was made', () => {
    expect(decided({ check: { kind: 'usable' } }).checked).toBe(true);
    expect(decided({ suspended: true }).checked).toBeUndefined();
    expect(decided({ checkable: false }).checked).toBeUndefined();
  });

  test('asks only about keys that differ, of a server that answers, when it is due', () => {
    expect(checkDue(input())).toBe(true);
    expect(checkDue(input({ desired: desired('old') }))).toBe(false);
    expect(checkDue(input({ checkable: false }))).toBe(false);
    expect(checkDue(input({ suspended: true }))).toBe(false);
    expect(checkDue(input({ server: { kind: 'none' } }))).toBe(false);
    const later = status('new', 'Staged', { nextAttemptAt: '2030-01-01T12:00:01Z' });
    expect(checkDue(input({ rotation: later }))).toBe(false);
    expect(checkDue(input({ rotation: later, retryAt: '1' }))).toBe(true);
    expect(checkDue(input({ rotation: status('new', 'Checked') }))).toBe(false);
  });
});

/**
 * A world in a few lines: a Secret, an authority, a Deployment whose pod comes up in its own time, and an operator that
 * may die at any of its writes. What the operator learns is what it would read after starting anew.
 */
class World {
  secret = 'a';
  readonly invalid = new Set<string>();
  authorityAway = false;
  nowMs = now;
  readonly made = new Set<string>();
  deployed: string | undefined;
  /** The copy that the pod runs with; undefined: it is coming up. */
  pod: string | undefined;
  rotation: RotationStatus | undefined;
  proven: string | undefined;
  rolls = 0;
  answeredAt = 0;

  read(check?: CheckResult): RotationInput {
    return {
      nowMs: this.nowMs,
      desired: desired(this.secret),
      copies: copies(...[...this.made].map((copy) => copy.slice(5))),
      ...(this.deployed === undefined
        ? {}
        : { deployed: { copy: this.deployed, settled: this.pod === this.deployed } }),
      rotation: this.rotation,
      proven: this.proven,
      suspended: false,
      checkable: true,
      server: this.answer(),
      check,
      gate: { open: true },
      verifyTimeoutMs: 300_000,
    };
  }

  answer(): ServerAnswer {
    if (this.pod === undefined) return { kind: 'none' };
    const name = this.pod.slice(5);
    if (this.invalid.has(name)) return answered(this.nowMs, { keyId: `id-${name}`, state: 'Refused', fault: revoked });
    return answered(this.nowMs, { keyId: `id-${name}` });
  }

  /** One pass, cut after `writes` writes: copy, Deployment, status, in this order. */
  pass(writes: number): void {
    this.nowMs += 1_000;
    let check: CheckResult | undefined;
    if (checkDue(this.read())) {
      if (this.authorityAway) check = { kind: 'passing', key: 'erp', fault: away };
      else check = this.invalid.has(this.secret) ? { kind: 'refused', key: 'erp', fault: revoked } : { kind: 'usable' };
    }
    const { run, rotation, proven } = decideRotation(this.read(check));
    if (writes < 1) return;
    this.made.add(`keys-${this.secret}`);
    if (writes < 2) return;
    if (run !== undefined && run !== this.deployed) {
      this.deployed = run;
      this.pod = undefined;
      this.rolls += 1;
    }
    if (writes < 3) return;
    this.rotation = rotation;
    this.proven = proven;
  }

  comeUp(): void {
    this.pod = this.deployed;
  }
}

describe('the rotation machine, whenever the operator dies', () => {
  const names = ['b', 'c', 'd'] as const;
  const step = fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('pass' as const), writes: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 4, arbitrary: fc.constant({ do: 'comeUp' as const }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('secret' as const), name: fc.constantFrom('a', ...names) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('away' as const), is: fc.boolean() }) },
  );
  const settle = (world: World) => {
    for (let i = 0; i < 40; i++) {
      world.pass(3);
      world.comeUp();
    }
  };
  const act = (world: World, steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) => {
    for (const s of steps) {
      if (s.do === 'pass') world.pass(s.writes);
      else if (s.do === 'comeUp') world.comeUp();
      else if (s.do === 'secret') world.secret = s.name;
      else world.authorityAway = s.is;
    }
  };

  test('never lets a key that the authority refuses reach the pod, and never loses the proven one', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.subarray([...names]), (steps, invalid) => {
        const world = new World();
        settle(world);
        expect(world.proven).toBe('keys-a');
        for (const name of invalid) world.invalid.add(name);
        for (const s of steps) {
          act(world, [s]);
          expect(world.deployed && invalid.includes(world.deployed.slice(5) as 'b')).toBe(false);
          expect(world.made.has(world.proven ?? '')).toBe(true);
        }
        world.authorityAway = false;
        settle(world);
        const ends = invalid.includes(world.secret as 'b') ? world.proven : `keys-${world.secret}`;
        expect(world.pod).toBe(ends);
        expect(world.proven).toBe(ends);
      }),
      { numRuns: 500 },
    );
  });

  test('ends a single change with one roll, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 12 }), (cuts) => {
        const world = new World();
        settle(world);
        const before = world.rolls;
        world.secret = 'b';
        for (const writes of cuts) {
          world.pass(writes);
          world.comeUp();
        }
        settle(world);
        expect(world.pod).toBe('keys-b');
        expect(world.rolls - before).toBe(1);
      }),
      { numRuns: 500 },
    );
  });

  test('ends a key that is refused only after the roll with one roll there and one back, wherever it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 16 }), (cuts) => {
        const world = new World();
        settle(world);
        const before = world.rolls;
        world.secret = 'b';
        // Usable when it is checked, refused when it is activated.
        const pass = (writes: number) => {
          if (world.deployed === 'keys-b' || world.rotation?.phase === 'RolledBack') world.invalid.add('b');
          world.pass(writes);
          world.comeUp();
        };
        for (const writes of cuts) pass(writes);
        for (let i = 0; i < 20; i++) pass(3);
        expect(world.pod).toBe('keys-a');
        expect(world.rotation).toMatchObject({ phase: 'RolledBack', reason: 'KeyRevoked' });
        expect(world.rolls - before).toBe(2);
      }),
      { numRuns: 500 },
    );
  });
});

describe('moments that a clock wrote which was a day ahead', () => {
  const tomorrow = '2030-01-02T12:00:00Z';

  test('keep no pod from proving its keys: the phase counts from now', () => {
    const proving = { rotation: status('new', 'Proving', { phaseAt: tomorrow }), proven: 'keys-old' };
    const deployed = { copy: 'keys-new', settled: true };
    const first = decided({
      ...proving,
      deployed,
      server: answered(now - 1000, { keyId: 'id-new', state: 'Pending' }),
    });
    expect(first.rotation).toMatchObject({ phase: 'Proving', phaseAt: '2030-01-01T12:00:00Z' });
    const answer = answered(now + 1000, { keyId: 'id-new' });
    const next = decided({ nowMs: now + 1000, rotation: first.rotation, deployed, server: answer });
    expect(next).toMatchObject({ rotation: { phase: 'Active' }, proven: 'keys-new' });
  });

  test('put the next attempt off by the longest pause at most', () => {
    const latest = '2030-01-01T18:00:00Z';
    const rotation = status('new', 'RolledBack', { attempts: 1, nextAttemptAt: tomorrow, phaseAt: tomorrow });
    const { rotation: after, wakeAtMs } = decided({ rotation });
    expect(after).toMatchObject({ phase: 'RolledBack', nextAttemptAt: latest, phaseAt: '2030-01-01T12:00:00Z' });
    expect(wakeAtMs).toBe(Date.parse(latest));
    expect(decided({ nowMs: now + 1, rotation: after }).rotation).toEqual(after);
  });
});
