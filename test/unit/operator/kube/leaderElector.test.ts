import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { WriteGuard } from '../../../../operator/kube/client.ts';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { LeaderElector } from '../../../../operator/kube/leaderElector.ts';
import type { Clock } from '../../../../runtime/clock.ts';
import { createLog } from '../../../../runtime/log.ts';
import { createMetrics } from '../../../../runtime/metrics.ts';
import { FakeClock } from '../../../support/fakeClock.ts';
import { LeaseServer, type Line } from '../../../support/leaseServer.ts';

let clock: FakeClock;
let server: LeaseServer;
beforeEach(() => {
  clock = new FakeClock();
  server = new LeaseServer(clock);
});

interface Candidate {
  readonly line: Line;
  readonly stop: AbortController;
  readonly elector: LeaderElector;
  guard: WriteGuard | undefined;
  outcome: string | undefined;
}

function candidate(identity: string, own: Clock = clock, at = server): Candidate {
  const line: Line = { fault: 'none', delayMs: 0 };
  const elector = new LeaderElector({
    client: at.client(identity, line),
    namespace: 'ns',
    name: 'l',
    identity,
    clock: own,
    log: createLog('test', 'silent'),
    metrics: createKubeMetrics(createMetrics()),
  });
  const it: Candidate = { line, stop: new AbortController(), elector, guard: undefined, outcome: undefined };
  void elector
    .run(it.stop.signal, async (guard) => {
      it.guard = guard;
      const until = AbortSignal.any([guard.signal, it.stop.signal]);
      await new Promise<void>((resolve) => until.addEventListener('abort', () => resolve(), { once: true }));
    })
    .then((outcome) => {
      it.outcome = outcome;
    });
  return it;
}
const mayWrite = (c: Candidate): boolean => {
  try {
    c.guard?.assertHeld();
    return c.guard !== undefined;
  } catch {
    return false;
  }
};

describe('leader election', () => {
  it('lets the first lead and the second wait', async () => {
    const a = candidate('a');
    await clock.advance(0);
    const b = candidate('b');
    await clock.advance(60_000);
    expect([mayWrite(a), mayWrite(b)]).toEqual([true, false]);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: 'a', leaseDurationSeconds: 15, leaseTransitions: 0 });
    expect(server.lease?.spec.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it('renews with one request each two seconds', async () => {
    candidate('a');
    await clock.advance(0);
    const before = server.writes.length;
    await clock.advance(20_000);
    expect(server.writes.length - before).toBe(10);
  });

  it('frees the lease on exit, so that the next leads within three seconds', async () => {
    const a = candidate('a');
    await clock.advance(0);
    const b = candidate('b');
    await clock.advance(5_000);
    a.stop.abort();
    await clock.advance(3_000);
    expect([a.outcome, mayWrite(a), mayWrite(b)]).toEqual(['released', false, true]);
    expect(server.lease?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });

  it('frees it even if a renewal is on its way at that moment', async () => {
    const a = candidate('a');
    await clock.advance(1_900);
    a.line.fault = 'lost';
    await clock.advance(200);
    a.line.fault = 'none';
    a.stop.abort();
    await clock.advance(0);
    expect([a.outcome, server.lease?.spec.holderIdentity]).toEqual(['released', '']);
  });

  it('stops writing 10 s after the last renewal, and the next begins no sooner than 15 s after it', async () => {
    const a = candidate('a');
    await clock.advance(0);
    const b = candidate('b');
    await clock.advance(10_000);
    const lastRenewal = server.writes.at(-1)?.at ?? 0;
    a.line.fault = 'hangs';
    await clock.advance(lastRenewal + 9_999 - clock.now());
    expect(mayWrite(a)).toBe(true);
    await clock.advance(1);
    expect([mayWrite(a), a.guard?.signal.aborted, a.outcome]).toEqual([false, true, 'lost']);
    await clock.advance(lastRenewal + 14_999 - clock.now());
    expect(mayWrite(b)).toBe(false);
    // It saw the last renewal up to 2.4 s after it was made, and tries every 2 to 2.4 s.
    await clock.advance(4_801);
    expect(mayWrite(b)).toBe(true);
  });

  it('counts from when a renewal began, not from when its answer came', async () => {
    const a = candidate('a');
    await clock.advance(1_000);
    a.line.answerMs = 4_000;
    await clock.advance(5_000);
    const writtenAt = server.writes.at(-1)?.at ?? 0;
    a.line.fault = 'cut';
    await clock.advance(writtenAt + 9_999 - clock.now());
    expect(mayWrite(a)).toBe(true);
    await clock.advance(1);
    expect(mayWrite(a)).toBe(false);
  });

  it('rides out a short fault', async () => {
    const a = candidate('a');
    await clock.advance(10_000);
    a.line.fault = 'cut';
    await clock.advance(7_000);
    a.line.fault = 'none';
    await clock.advance(30_000);
    expect([mayWrite(a), server.lease?.spec.leaseTransitions]).toEqual([true, 0]);
  });

  it('a process that was stopped for long writes nothing when it goes on, before any timer fires', async () => {
    const a = candidate('a');
    await clock.advance(5_000);
    clock.freeze(20_000);
    expect(mayWrite(a)).toBe(false);
    expect(a.guard?.signal.aborted).toBe(true);
  });

  it('gives up at once when somebody else took the lease', async () => {
    const a = candidate('a');
    await clock.advance(5_000);
    const { lease } = server;
    if (lease) {
      await server.client('admin').request({
        method: 'PUT',
        path: '',
        body: { ...lease, spec: { ...lease.spec, holderIdentity: 'admin' } },
      });
    }
    await clock.advance(4_500);
    expect([mayWrite(a), a.outcome]).toEqual([false, 'lost']);
  });

  it('makes the lease again when somebody deleted it', async () => {
    const a = candidate('a');
    await clock.advance(5_000);
    server.delete();
    await clock.advance(5_000);
    expect([mayWrite(a), server.lease?.spec.holderIdentity]).toEqual([true, 'a']);
  });

  it.each([-3_600_000, 30_000, 3_600_000])('does not mind a clock that is %d ms off', async (skewMs) => {
    const skewed: Clock = {
      now: () => clock.now() + skewMs,
      monotonic: () => clock.monotonic(),
      after: (ms, fn) => clock.after(ms, fn),
    };
    const a = candidate('a', skewed);
    await clock.advance(0);
    const b = candidate('b');
    await clock.advance(60_000);
    expect([mayWrite(a), mayWrite(b)]).toEqual([true, false]);
    a.line.fault = 'cut';
    await clock.advance(20_000);
    expect([mayWrite(a), mayWrite(b)]).toEqual([false, true]);
  });

  it('in any history of faults, pauses and exits: never two may write', async () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom('cut', 'lost', 'hangs', 'slow', 'none', 'exit', 'join') as fc.Arbitrary<
        Line['fault'] | 'slow' | 'exit' | 'join'
      >,
      forMs: fc.integer({ min: 0, max: 12_000 }),
    });
    let led = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        clock = new FakeClock();
        const at = new LeaseServer(clock);
        const all = [0, 1, 2].map((i) => candidate(`c${i}`, clock, at));
        for (const { who, what, forMs } of steps) {
          const one = all[who];
          if (one === undefined) continue;
          if (what === 'exit') one.stop.abort();
          else if (what === 'join') all[who] = one.outcome === undefined ? one : candidate(`c${who}`, clock, at);
          else if (what === 'slow') one.line.delayMs = 3_000;
          else {
            one.line.fault = what;
            one.line.delayMs = 0;
          }
          for (let passed = 0; passed < forMs; passed += 500) {
            await clock.advance(500);
            const writers = all.filter(mayWrite).length;
            led += writers;
            expect(writers).toBeLessThanOrEqual(1);
          }
        }
        for (const { stop } of all) stop.abort();
        await clock.advance(30_000);
      }),
      { numRuns: 25 },
    );
    expect(led).toBeGreaterThan(100);
  }, 60_000);
});
