import { describe, expect, test } from 'vitest';
import type { ClearingStatus, ProductStatus } from '../../../../../licence/serverStatus.ts';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { decideStaleSeats, type StaleSeatsInput } from '../../../../../operator/licenceServer/decide/staleSeats.ts';
import type { ServerAnswer } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const at = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
const spec = (more: SpecInput['staleSeats'] = {}) => licenceServerSpec.parse({ staleSeats: more }).staleSeats;
const product = (more: Partial<ProductStatus> = {}): ProductStatus => ({
  product: 'erp',
  seatLimit: 10,
  seatsInUse: 2,
  seatsStale: 2,
  holdersWaiting: 0,
  ...more,
});
const answered = (
  products: ProductStatus[],
  more: { startedMs?: number; atMs?: number; clearing?: ClearingStatus } = {},
): ServerAnswer => ({
  kind: 'answered',
  atMs: more.atMs ?? now,
  status: {
    version: '1.0.0',
    startedAt: at(more.startedMs ?? now - 3_600_000),
    fingerprint: 'f',
    keys: [],
    products,
    ...(more.clearing === undefined ? {} : { clearing: more.clearing }),
  },
});
const input = (more: Partial<StaleSeatsInput> = {}): StaleSeatsInput => ({
  nowMs: now,
  spec: spec(),
  suspended: false,
  before: undefined,
  server: answered([product()]),
  deployed: { settled: true, clearing: undefined },
  busy: false,
  fleet: { budget: true, message: '' },
  ...more,
});
const last = (ms: number) => ({ at: at(ms), by: 'Roll' as const, before: 2, after: 0 });
const inUse = answered([product({ seatsInUse: 3 })]);
const wanted = answered([product({ seatsInUse: 10, holdersWaiting: 1 })]);
const elsewhere = answered([product(), product({ product: 'zup', seatsStale: 0, seatsInUse: 10, holdersWaiting: 1 })]);
const full = { budget: false, message: 'one server rolls at a time, now n/a' };
const windows = [{ schedule: '0 12 * * *', duration: '1h' }];

describe('a clearing of stale seats', () => {
  test.each<[string, Partial<StaleSeatsInput>, boolean]>([
    ['starts when nobody uses a seat', {}, true],
    ['waits on Idle while one seat is in real use', { server: inUse }, false],
    ['starts on Always whoever is there', { server: inUse, spec: spec({ when: 'Always' }) }, true],
    [
      'starts on Exhausted when somebody waits for that product',
      { server: wanted, spec: spec({ when: 'Exhausted' }) },
      true,
    ],
    ['waits on Exhausted when nobody waits', { spec: spec({ when: 'Exhausted' }) }, false],
    [
      'waits on Exhausted when only another product is wanted',
      { server: elsewhere, spec: spec({ when: 'Exhausted' }) },
      false,
    ],
    ['starts in the window', { server: inUse, spec: spec({ when: 'Window', windows }) }, true],
    ['waits outside of it', { nowMs: now + 3_600_000, spec: spec({ when: 'Window', windows }) }, false],
    ['starts at the threshold', { spec: spec({ threshold: 2 }) }, true],
    ['does not start below it', { spec: spec({ threshold: 3 }) }, false],
    ['does not start where the policy is to ignore them', { spec: spec({ policy: 'Ignore' }) }, false],
    ['does not start while suspended', { suspended: true }, false],
    ['does not start while the pod changes', { busy: true }, false],
    ['does not start while the pod is not ready', { deployed: { settled: false } }, false],
    ['does not start while other servers roll', { fleet: full }, false],
    ['in place needs no budget: no pod rolls', { fleet: full, spec: spec({ policy: 'Release' }) }, true],
    [
      'does not start on counts that are not known',
      { server: { kind: 'unreachable', atMs: now, message: 'down' } },
      false,
    ],
    ['does not start before minInterval is over', { before: { lastClearing: last(now - 3_599_000) } }, false],
    ['starts when it is', { before: { lastClearing: last(now - 3_600_000) } }, true],
    [
      'starts at once when minInterval is made shorter',
      { before: { lastClearing: last(now - 60_000) }, spec: spec({ minInterval: '1m' }) },
      true,
    ],
  ])('%s', (_, given, starts) => {
    const decision = decideStaleSeats(input(given));
    expect(decision.status?.clearing !== undefined).toBe(starts);
    // What starts is written first, and acted on in the next pass.
    expect(decision).not.toHaveProperty('clearing');
    expect(decision).not.toHaveProperty('release');
  });

  const before = { clearing: { id: 'c1', by: 'Roll' as const, startedAt: at(now - 60_000), before: 2 } };
  const clearing = { id: 'c1', at: at(now), staleBefore: 2, cleared: 2, kept: 0 };
  const fresh = (more: Partial<ProductStatus> = {}) => [product({ seatsInUse: 0, seatsStale: 0, ...more })];
  const rolled = { settled: true, clearing: 'c1' };

  test('is acted on until it is proven', () => {
    const decision = decideStaleSeats(input({ before }));
    expect(decision.clearing).toBe('c1');
    expect(decision.status?.clearing).toEqual(before.clearing);
    expect(decision.event).toBeUndefined();
  });

  test.each<[string, Partial<StaleSeatsInput>]>([
    [
      'the pod still comes up',
      { deployed: { settled: false, clearing: 'c1' }, server: answered(fresh(), { clearing }) },
    ],
    ['another pod answers', { deployed: rolled, server: answered(fresh()) }],
    ['the answer is from before', { deployed: rolled, server: answered(fresh(), { clearing, atMs: now - 61_000 }) }],
    [
      'the pod is not of this clearing',
      { deployed: { settled: true, clearing: 'c0' }, server: answered(fresh(), { clearing }) },
    ],
    ['the server does not answer', { deployed: rolled, server: { kind: 'unreachable', atMs: now, message: 'down' } }],
  ])('is not proven while %s', (_, given) => {
    const decision = decideStaleSeats(input({ before, ...given }));
    expect(decision.event).toBeUndefined();
    expect(decision.status?.clearing).toEqual(before.clearing);
  });

  test('that helped is told, and the next one is minInterval away', () => {
    const decision = decideStaleSeats(input({ before, deployed: rolled, server: answered(fresh(), { clearing }) }));
    expect(decision.event).toEqual({ kind: 'StaleSeatsCleared', by: 'Roll', before: 2, after: 0 });
    expect(decision.status).toEqual({
      lastClearing: { at: at(now), by: 'Roll', before: 2, after: 0 },
    });
    // The pod carries its id already, and keeps it.
    expect(decision).not.toHaveProperty('clearing');
  });

  test('that did not help doubles the wait each time, up to a day', () => {
    const waits = [0, 1, 2, 10].map((failures) => {
      const server = answered(fresh({ seatsStale: 1, seatsInUse: 1 }), { clearing });
      const decision = decideStaleSeats(input({ before: { ...before, failures }, deployed: rolled, server }));
      expect(decision.event?.kind).toBe('StaleSeatsRemain');
      expect(decision.status?.failures).toBe(failures + 1);
      const next = decideStaleSeats(input({ before: decision.status, spec: spec({ threshold: 1 }) }));
      return ((next.waiting?.atMs ?? 0) - now) / 3_600_000;
    });
    expect(waits).toEqual([2, 4, 8, 24]);
  });

  test('by a server that does not tell of clearings is proven by its start', () => {
    const server = answered(fresh(), { startedMs: now - 30_000 });
    expect(decideStaleSeats(input({ before, deployed: rolled, server })).event?.kind).toBe('StaleSeatsCleared');
  });

  test('that is never proven is judged by the counts after ten minutes', () => {
    const old = { clearing: { ...before.clearing, startedAt: at(now - 600_000) } };
    const decision = decideStaleSeats(input({ before: old, deployed: { settled: true } }));
    expect(decision.event).toMatchObject({ kind: 'StaleSeatsRemain', before: 2, after: 2 });
  });

  test.each<[string, Partial<StaleSeatsInput>, object]>([
    ['the server does not come back', { server: { kind: 'unreachable', atMs: now, message: 'down' } }, { failures: 1 }],
    ['nobody has asked the server yet', { server: { kind: 'none' } }, { failures: 1 }],
    ['the pod never carried it', { deployed: { settled: true, clearing: 'c0' } }, { failures: 1 }],
  ])('ends after ten minutes although %s, and no pod rolls for it any more', (_, given, status) => {
    const old = { clearing: { ...before.clearing, startedAt: at(now - 600_000) } };
    const decision = decideStaleSeats(input({ before: old, ...given }));
    expect(decision.status).toMatchObject({ ...status, lastClearing: { at: at(now), before: 2, after: 2 } });
    expect(decision.status).not.toHaveProperty('clearing');
    expect(decision).not.toHaveProperty('clearing');
  });

  test('ends when the server is suspended: there is no pod that it could be about', () => {
    for (const server of [answered([product()]), { kind: 'none' } as const]) {
      const decision = decideStaleSeats(input({ before, suspended: true, server }));
      expect(decision.status?.clearing).toBeUndefined();
      expect(decision.wakeAtMs).toBeUndefined();
    }
  });

  test('in place waits for no other change, of this server or of others', () => {
    const release = { policy: 'Release', when: 'Always' } as const;
    const others = { busy: true, fleet: full, deployed: { settled: false } };
    expect(decideStaleSeats(input({ spec: spec(release), ...others })).status?.clearing).toMatchObject({
      by: 'Release',
    });
  });

  test('that waits for other servers says which, and looks again when they have rolled, not by the clock', () => {
    const decision = decideStaleSeats(input({ fleet: full }));
    expect(decision).toMatchObject({ isHeld: true, waiting: { message: full.message } });
    expect(decision.wakeAtMs).toBeUndefined();
  });

  test('in place asks the server, and believes only later counts', () => {
    const release = { clearing: { ...before.clearing, by: 'Release' as const } };
    const asks = decideStaleSeats(input({ before: release, server: answered(fresh(), { atMs: now - 60_000 }) }));
    expect(asks).toMatchObject({ release: 'c1' });
    const done = decideStaleSeats(input({ before: release, server: answered(fresh()) }));
    expect(done.event).toMatchObject({ kind: 'StaleSeatsCleared', by: 'Release' });
    expect(done).not.toHaveProperty('clearing');
  });

  test('says since when seats are stale, and when a clearing can come', () => {
    const since = at(now - 7_200_000);
    const server = answered([
      product({ staleSince: since }),
      product({ product: 'zup', staleSince: at(now - 60_000) }),
    ]);
    const decision = decideStaleSeats(input({ server, before: { lastClearing: last(now + 5_000 - 3_600_000) } }));
    expect(decision.status?.since).toBe(since);
    expect(decision.waiting).toMatchObject({ atMs: now + 5_000 });
    expect(decision.wakeAtMs).toBe(now + 5_000);
  });
});

describe('moments that a clock wrote which was a day ahead', () => {
  const tomorrow = at(now + 86_400_000);

  test('keep no clearing from its end', () => {
    const clearing = { id: 'c1', by: 'Roll' as const, startedAt: tomorrow, before: 2 };
    const first = decideStaleSeats(input({ before: { clearing } }));
    expect(first.status?.clearing).toEqual({ ...clearing, startedAt: at(now) });
    const server: ServerAnswer = { kind: 'unreachable', atMs: now, message: 'down' };
    const ended = decideStaleSeats(input({ nowMs: now + 600_000, before: first.status, server }));
    expect(ended.status).toMatchObject({ failures: 1 });
    expect(ended.status?.clearing).toBeUndefined();
  });

  test('put the next clearing off by minInterval at most', () => {
    const first = decideStaleSeats(input({ before: { lastClearing: { ...last(now), at: tomorrow } } }));
    expect(first.status?.lastClearing?.at).toBe(at(now));
    const minMs = (first.wakeAtMs ?? 0) - now;
    expect(minMs).toBeLessThan(86_400_000);
    const next = decideStaleSeats(
      input({ nowMs: now + minMs, server: answered([product()], { atMs: now + minMs }), before: first.status }),
    );
    expect(next.status?.clearing).toBeDefined();
  });
});
