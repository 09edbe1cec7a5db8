import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayAnswerAtOnce, renewalTimes } from '../../../../server/seats/answerAtOnce.ts';
import { checkOut, end, type Ledger, newPool, reap, release, renew } from '../../../../server/seats/ledger.ts';
import { Renewals } from '../../../../server/seats/renewals.ts';

const leaseMs = 120_000;
const everyMs = 2_000;
const patienceMs = 8_000;
const answerMs = 12_000;
/** Of a statement, by the database. */
const statementMs = 8_000;
const times = renewalTimes(leaseMs, { everyMs, answerMs, patienceMs });
const seats = 8;
const idleAfterMs = 60_000;

/**
 * A server, its database and its clients, with all that may happen to them, on one clock that is moved by hand. The ledger is the pure
 * one; what a statement does happens some time after it was sent, and its answer comes later still, or never. `faults`: what must not be.
 */
class World {
  t = 10_000;
  /** The database's clock, from ours. */
  ahead = 1_700_000_000_000;
  readonly ledger: Ledger = { pools: new Map([['erp', newPool(seats)]]), bases: new Map() };
  readonly pool = this.ledger.pools.get('erp') as ReturnType<typeof newPool>;
  aliveAt = this.dbNow();
  isCrashed = false;
  isUp = true;
  lockedUntil = 0;
  /** Statements that are sent answer nothing, though they are done. */
  isDeaf = false;
  delay = 1;
  isServing = true;
  generation = 0;
  missed = false;
  renewals = this.serve();
  readonly faults: string[] = [];
  /** What clients were promised: until then nobody else may have the seat. */
  readonly promised = new Map<string, number>();
  /** When a renewal was last answered, by the database's clock. */
  readonly answered = new Map<string, number>();
  /** By how much the database's clock was set forward unnoticed, in all. */
  skipped = 0;
  atOnce = 0;
  readonly over = new Set<string>();
  #later: { readonly at: number; readonly run: () => void }[] = [];
  /** Renewals that are not on disk yet. */
  #unflushed: { readonly at: number; readonly leaseId: string; readonly expiresAt: number }[] = [];
  #beatAt = this.t;
  #reapAt = this.t;
  #tickAt = this.t;
  #beating = false;
  #names = 0;
  readonly #idleAt = new Map<string, number>();

  dbNow(): number {
    return this.t + this.ahead;
  }

  serve(): Renewals {
    return new Renewals({
      leaseMs,
      times,
      now: () => this.t,
      write: (ids, done, failed) => this.beatMany(ids, done, failed),
      missed: () => {
        this.missed = true;
      },
      endedByOthers: (id) => this.faults.push(`${id} was ended by others`),
    });
  }

  after(ms: number, run: () => void): void {
    this.#later.push({ at: this.t + ms, run });
  }

  /** A statement: what it does, and what its answer, or the lack of one, leads to in the process that sent it. */
  send<T>(work: () => T, answer: (result: T) => void, fail: () => void, locks = false): void {
    const { generation } = this;
    const here = (run: () => void) => () => {
      if (generation === this.generation) run();
    };
    this.after(this.delay, () => {
      if (!this.isUp) return this.after(1, here(fail));
      const waits = locks ? this.lockedUntil - this.t : 0;
      if (waits > statementMs) return this.after(statementMs, here(fail));
      this.after(Math.max(waits, 0), () => {
        if (!this.isUp) return this.after(1, here(fail));
        const result = work();
        if (this.isDeaf) this.after(answerMs, here(fail));
        else
          this.after(
            this.delay,
            here(() => answer(result)),
          );
      });
    });
  }

  /** Goes on for so long, one thing after the other. */
  pass(ms: number): void {
    const until = this.t + ms;
    for (;;) {
      const next = Math.min(
        ...this.#later.map((l) => l.at),
        ...(this.isServing ? [this.#beatAt, this.#reapAt, this.#tickAt] : []),
      );
      if (next > until) break;
      this.t = Math.max(this.t, next);
      const due = this.#later.find((l) => l.at <= this.t);
      if (due !== undefined) {
        this.#later = this.#later.filter((l) => l !== due);
        due.run();
      } else if (this.#tickAt <= this.t) {
        this.#tickAt = this.t + 250;
        this.renewals.tick();
      } else if (this.#beatAt <= this.t) {
        this.#beatAt = this.t + everyMs;
        this.beat(false);
      } else {
        this.#reapAt = this.t + 500;
        this.send(
          () => this.reap(),
          () => {},
          () => {},
        );
      }
    }
    this.t = until;
  }

  beat(isStart: boolean): void {
    if (this.#beating) return;
    this.#beating = true;
    const missed = this.missed || this.renewals.lateMs() > 2 * everyMs || isStart;
    this.missed = false;
    const { renewals } = this;
    this.send(
      () => {
        const now = this.dbNow();
        const gap = now - this.aliveAt;
        const froze = gap > patienceMs || gap < -2_000;
        const { isCrashed } = this;
        if (gap < -2_000)
          for (const l of this.pool.leases.values())
            if (l.mode === 'leased') l.expiresAt = Math.min(l.expiresAt, now + leaseMs);
        if (froze || isCrashed || missed)
          this.pool.frozenUntil = froze ? now + leaseMs : Math.max(this.pool.frozenUntil, now + leaseMs);
        this.isCrashed = false;
        this.aliveAt = now;
        return { now, isShaken: froze || isCrashed };
      },
      ({ now, isShaken }) => {
        this.#beating = false;
        renewals.observe(now, isShaken);
      },
      () => {
        this.#beating = false;
        this.missed ||= missed;
      },
    );
  }

  reap(): void {
    const now = this.dbNow();
    if (this.isCrashed || Math.abs(now - this.aliveAt) > patienceMs) return;
    const before = [...this.pool.leases.values()];
    reap(this.pool, now);
    for (const { leaseId, holder } of before) {
      const left = (this.promised.get(leaseId) ?? 0) - this.t;
      if (!this.pool.leases.has(holder) && left > 0) this.faults.push(`${leaseId} was taken ${left} ms too early`);
    }
  }

  leaseOf(leaseId: string) {
    return [...this.pool.leases.values()].find((l) => l.leaseId === leaseId);
  }

  take(mode: 'leased' | 'sticky', holder = `h${this.#names++}`): void {
    const leaseId = `l${this.#names++}`;
    const claim = {
      holder,
      part: holder,
      size: 1,
      base: 'b',
      leaseId,
      mode,
      slot: 0,
      caps: [],
      priority: 0,
      queueMs: 0,
      idleAfterMs,
    };
    const { renewals } = this;
    const changed = mode === 'sticky' ? renewals.changing() : undefined;
    this.send(
      () => ({
        outcome: checkOut(this.ledger, this.pool, [claim], this.dbNow(), leaseMs)[0],
        at: this.t,
        skipped: this.skipped,
      }),
      ({ outcome, at, skipped }) => {
        if (outcome?.code === 'granted' || outcome?.code === 'renewed') {
          if (mode === 'sticky') renewals.forget(outcome.leaseId);
          this.promise(outcome.leaseId, at, skipped);
        }
        changed?.();
      },
      () => {
        renewals.doubt();
        changed?.();
      },
    );
  }

  /** `skipped`: as it was then. */
  promise(leaseId: string, at: number, skipped = this.skipped): void {
    if (at <= (this.#idleAt.get(leaseId) ?? 0)) return;
    const until = at + leaseMs - (this.skipped - skipped);
    this.promised.set(leaseId, Math.max(this.promised.get(leaseId) ?? 0, until));
  }

  /** A program says that it is idle. */
  idle(leaseId: string): void {
    const { renewals } = this;
    const sent = renewals.send();
    this.send(
      () => {
        // from now on others may be given its seat
        this.promised.delete(leaseId);
        this.#idleAt.set(leaseId, this.t);
        return this.renewIn([leaseId], true);
      },
      ({ marks, now }) => renewals.answered(sent, [leaseId], marks, now, [leaseId]),
      () => {
        renewals.lost(sent, [leaseId]);
        this.missed = true;
      },
      true,
    );
  }

  /** Somebody would have no seat: those of idle programs are given up. */
  want(): void {
    this.send(
      () => {
        const now = this.dbNow();
        if (this.isCrashed || Math.abs(now - this.aliveAt) > patienceMs || now < this.pool.frozenUntil) return;
        for (const lease of [...this.pool.leases.values()]) {
          if ((lease.idleFrom ?? Number.POSITIVE_INFINITY) > now) continue;
          if ((this.promised.get(lease.leaseId) ?? 0) > this.t) this.faults.push(`${lease.leaseId} was not idle`);
          end(this.pool, lease);
        }
      },
      () => {},
      () => {},
    );
  }

  renewIn(ids: readonly string[], isIdle = false): { marks: string; now: number; at: number; skipped: number } {
    const marks = ids.map((id) => {
      const lease = this.leaseOf(id);
      if (lease === undefined) return '0';
      this.#unflushed.push({ at: this.t, leaseId: id, expiresAt: lease.expiresAt });
      renew(this.pool, id, this.dbNow(), leaseMs, isIdle);
      return lease.mode === 'leased' ? '1' : '3';
    });
    this.#unflushed = this.#unflushed.filter(({ at }) => at > this.t - 600);
    return {
      marks: marks.every((m) => m === '1') ? '' : marks.join(''),
      now: this.dbNow(),
      at: this.t,
      skipped: this.skipped,
    };
  }

  beatMany(ids: readonly string[], done: () => void, failed: () => void): void {
    const { renewals } = this;
    const sent = renewals.send();
    this.send(
      () => this.renewIn(ids),
      ({ marks, now }) => {
        renewals.answered(sent, ids, marks, now);
        done();
      },
      () => {
        renewals.lost(sent);
        failed();
      },
      true,
    );
  }

  heartbeat(leaseId: string): void {
    const now = this.renewals.renew(leaseId);
    if (now !== undefined) {
      this.atOnce += 1;
      if (this.over.has(leaseId)) this.faults.push(`${leaseId} was renewed after its end was told`);
      if (this.leaseOf(leaseId) === undefined) this.faults.push(`${leaseId} was renewed and is gone`);
      this.promise(leaseId, this.t);
      this.answered.set(leaseId, this.dbNow());
      return;
    }
    const { renewals } = this;
    const sent = renewals.send();
    this.send(
      () => this.renewIn([leaseId]),
      ({ marks, now: at, at: t, skipped }) => {
        renewals.answered(sent, [leaseId], marks, at);
        if (marks === '') this.promise(leaseId, t, skipped);
      },
      () => {
        renewals.lost(sent);
        this.missed = true;
      },
      true,
    );
  }

  giveBack(leaseId: string): void {
    const { renewals } = this;
    renewals.ending(leaseId);
    this.promised.delete(leaseId);
    this.send(
      () => release(this.pool, leaseId, this.dbNow()),
      () => {
        renewals.ended(leaseId);
        this.over.add(leaseId);
      },
      () => {
        renewals.doubt();
        renewals.ended(leaseId);
      },
    );
  }

  /** Seats of bases that were silent: of those only that do not expire. */
  clearSticky(): void {
    for (const lease of [...this.pool.leases.values()]) {
      if (lease.mode !== 'sticky') continue;
      this.promised.delete(lease.leaseId);
      release(this.pool, lease.leaseId, this.dbNow());
      this.over.add(lease.leaseId);
    }
  }

  kill(ms: number): void {
    this.isServing = false;
    this.generation += 1;
    this.#beating = false;
    this.answered.clear();
    this.pass(ms);
    this.isUp = true;
    this.renewals = this.serve();
    this.isServing = true;
    this.beat(true);
    const until = this.t + 20_000;
    while (this.#beating && this.t < until) this.pass(1);
  }

  /** The database ends without a word, and is back after so long; what was not on disk is lost. */
  crash(ms: number): void {
    for (const { leaseId, expiresAt, at } of this.#unflushed.reverse()) {
      const lease = this.leaseOf(leaseId);
      if (lease !== undefined && at > this.t - 600 && lease.mode === 'leased') lease.expiresAt = expiresAt;
    }
    this.#unflushed = [];
    this.isUp = false;
    this.pass(ms);
    this.isUp = true;
    this.isCrashed = true;
  }

  stepClock(ms: number): void {
    this.ahead += ms;
    // by that clock the seats were promised; a greater step is noticed
    if (ms <= 0 || ms > patienceMs) return;
    this.skipped += ms;
    for (const [leaseId, until] of this.promised) this.promised.set(leaseId, until - ms);
  }
}

type Step =
  | { kind: 'take' | 'stick' | 'clear' | 'want' }
  | { kind: 'heartbeat' | 'release' | 'heartbeats' | 'idle'; lease: number }
  | { kind: 'wait' | 'kill' | 'crash' | 'away' | 'deaf' | 'lock' | 'slow' | 'step'; ms: number };

const ms = (max: number) => fc.integer({ min: 1, max });
const faults = ['kill', 'crash', 'away', 'deaf', 'lock', 'slow', 'step'] as const;
const plain: fc.WeightedArbitrary<Step>[] = [
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'take' }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'stick' }, { kind: 'clear' }, { kind: 'want' }) },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constantFrom('heartbeat' as const, 'heartbeats' as const), lease: fc.nat(7) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('release' as const, 'idle' as const), lease: fc.nat(7) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.oneof(ms(50), ms(5_000), ms(60_000), fc.integer({ min: 60_000, max: 115_000 })),
    }),
  },
];
const stepMs = fc.oneof(
  fc.integer({ min: -1_900, max: 1_900 }),
  fc.integer({ min: 1_000, max: 5_900 }),
  fc.constantFrom(-31_536_000_000, -60_000, 60_000, 31_536_000_000),
);
const faultOf = (kind: (typeof faults)[number]): fc.Arbitrary<Step> =>
  fc.record({
    kind: fc.constant(kind),
    ms:
      kind === 'step'
        ? stepMs
        : kind === 'slow'
          ? fc.oneof(ms(20), ms(3_000))
          : fc.oneof(ms(1_000), ms(12_000), ms(60_000)),
  });
/** Of some kinds of faults only: where everything fails all the time, expiry is frozen all the time. */
const history = (most: number, kinds: readonly (typeof faults)[number][] = faults): fc.Arbitrary<Step[]> =>
  fc
    .oneof(
      fc.constantFrom(...kinds).map((kind) => [kind]),
      fc.subarray([...kinds]),
    )
    .chain((some) =>
      fc.array(fc.oneof(...plain, ...some.map((kind) => ({ weight: 1, arbitrary: faultOf(kind) }))), {
        minLength: 10,
        maxLength: most,
      }),
    );

const runs = (usual: number) => usual * Number(process.env.RUNS_TIMES ?? 1);

function play(steps: readonly Step[]): World {
  const world = new World();
  world.pass(5_000);
  for (const step of steps) {
    const held = [...world.pool.leases.values()];
    const lease = 'lease' in step ? held[step.lease % Math.max(held.length, 1)] : undefined;
    if (step.kind === 'take') world.take('leased');
    else if (step.kind === 'stick' && held[0]) world.take('sticky', held[0].holder);
    else if (step.kind === 'clear') world.clearSticky();
    else if (step.kind === 'heartbeat' && lease) world.heartbeat(lease.leaseId);
    else if (step.kind === 'heartbeats') for (const l of held) world.heartbeat(l.leaseId);
    else if (step.kind === 'idle' && lease) world.idle(lease.leaseId);
    else if (step.kind === 'want') world.want();
    else if (step.kind === 'release' && lease) world.giveBack(lease.leaseId);
    else if (step.kind === 'wait') world.pass(step.ms);
    else if (step.kind === 'kill') world.kill(step.ms);
    else if (step.kind === 'crash') world.crash(step.ms);
    else if (step.kind === 'step') {
      world.stepClock(step.ms);
      world.pass(2 * everyMs + 3 * world.delay); // a clock that is set twice between two beats is another story
    } else if (step.kind === 'slow') world.delay = step.ms;
    else if (step.kind === 'lock') world.lockedUntil = world.t + step.ms;
    else if (step.kind === 'away') {
      world.isUp = false;
      world.pass(step.ms);
      world.isUp = true;
    } else if (step.kind === 'deaf') {
      world.isDeaf = true;
      world.pass(step.ms);
      world.isDeaf = false;
    }
    // those who were told of an end ask again
    for (const leaseId of world.over)
      if (world.renewals.renew(leaseId) !== undefined) world.faults.push(`${leaseId} is over`);
  }
  return world;
}

describe('renewals that are answered at once', () => {
  it('cost nobody a seat, and renew none that is gone, whatever fails', () => {
    let atOnce = 0;
    fc.assert(
      fc.property(history(80), (steps) => {
        const world = play(steps);
        world.delay = 1;
        world.pass(3 * leaseMs);
        atOnce += world.atOnce;
        expect(world.faults).toEqual([]);
      }),
      { numRuns: runs(300) },
    );
    expect(atOnce).toBeGreaterThan(100);
  });

  it('are in the database soon when nothing fails any more', () => {
    fc.assert(
      fc.property(history(40, faults.slice(0, -1)), (steps) => {
        const world = play(steps);
        world.delay = 1;
        world.lockedUntil = 0;
        world.pass(15_000 + answerMs);
        for (const [leaseId, at] of world.answered) {
          const lease = world.leaseOf(leaseId);
          if (lease !== undefined) expect(lease.renewedAt).toBeGreaterThanOrEqual(at);
        }
      }),
      { numRuns: runs(200) },
    );
  });
});

/** A lease that the database has just renewed. */
function renewed(world = new World()) {
  world.take('leased');
  world.pass(10);
  const [lease] = world.pool.leases.values();
  const leaseId = lease?.leaseId ?? '';
  world.heartbeat(leaseId);
  world.pass(10);
  return { world, leaseId, atOnce: () => world.renewals.renew(leaseId) !== undefined };
}

describe('a heartbeat', () => {
  it('is answered at once after the database has renewed the lease, and not before', () => {
    const world = new World();
    world.take('leased');
    world.pass(10);
    const leaseId = [...world.pool.leases.values()][0]?.leaseId ?? '';
    expect(world.renewals.renew(leaseId)).toBeUndefined();
    expect(renewed(world).atOnce()).toBe(true);
    expect(world.renewals.renew(leaseId)).toBe(world.dbNow() - 1); // as late as the answer came
  });

  it('is written once for all of a while', () => {
    const { world, leaseId } = renewed();
    let written = 0;
    const plain = world.renewIn.bind(world);
    world.renewIn = (ids) => {
      written += ids.length;
      return plain(ids);
    };
    for (let i = 0; i < 100; i++) {
      world.heartbeat(leaseId);
      world.pass(times.delayMs / 100);
    }
    world.pass(times.delayMs);
    expect(written).toBe(1);
  });

  it('goes to the database while renewals cannot be written, and at once again when they can', () => {
    const { world, atOnce, leaseId } = renewed();
    expect(atOnce()).toBe(true);
    world.isUp = false;
    world.pass(times.delayMs + times.graceMs);
    expect(atOnce()).toBe(false);
    world.isUp = true;
    world.pass(everyMs + 10);
    expect(world.leaseOf(leaseId)?.renewedAt).toBeGreaterThan(world.dbNow() - everyMs - 10);
    expect(world.pool.frozenUntil).toBeGreaterThan(world.dbNow()); // by the beat that came with the missed renewals
    world.heartbeat(leaseId);
    world.pass(10);
    expect(atOnce()).toBe(true);
  });

  it('goes to the database when a write hangs', () => {
    const { world, atOnce } = renewed();
    expect(atOnce()).toBe(true);
    world.lockedUntil = world.t + 30_000;
    world.pass(times.delayMs + 250);
    expect(atOnce()).toBe(true); // owed again
    world.pass(times.delayMs + times.graceMs + 250);
    expect(atOnce()).toBe(false);
  });

  it('of a lease that is given back goes to the database from then on, also when an answer from before comes late', () => {
    const { world, leaseId, atOnce } = renewed();
    world.renewals.ending(leaseId);
    expect(atOnce()).toBe(false);
    const sent = world.renewals.send();
    world.renewals.ended(leaseId);
    world.renewals.answered(sent, [leaseId], '', world.dbNow());
    expect(atOnce()).toBe(false);
  });

  it('of a program that was idle goes to the database, which is told that it is no more', () => {
    const { world, leaseId, atOnce } = renewed();
    world.heartbeat(leaseId);
    world.idle(leaseId);
    world.pass(10);
    expect(atOnce()).toBe(false);
    world.pass(2 * times.delayMs); // what was owed from before does not end it
    expect(world.leaseOf(leaseId)?.idleFrom).toBeDefined();
    world.heartbeat(leaseId);
    world.pass(10);
    expect(world.leaseOf(leaseId)?.idleFrom).toBeUndefined();
    expect(atOnce()).toBe(true);
  });

  it('that was answered while a program said that it is idle is written, too', () => {
    const { world, leaseId } = renewed();
    world.delay = 500;
    world.heartbeat(leaseId);
    world.idle(leaseId);
    world.pass(900); // the database knows, the server does not yet
    world.heartbeat(leaseId);
    const at = world.dbNow();
    world.delay = 1;
    world.pass(times.delayMs + 1_000);
    expect(world.leaseOf(leaseId)?.renewedAt).toBeGreaterThanOrEqual(at);
  });

  it('goes to the database for a while when it is unknown what ends', () => {
    const { world, leaseId, atOnce } = renewed();
    world.renewals.doubt();
    world.heartbeat(leaseId);
    world.pass(29_000);
    expect(atOnce()).toBe(false);
    world.pass(2_000);
    world.heartbeat(leaseId);
    world.pass(10);
    expect(atOnce()).toBe(true);
  });

  it.each([
    ['set back', -60_000],
    ['set forward', 60_000],
    ['set forward a little', 1_500],
  ])('goes to the database once its clock was %s', (_, step) => {
    const { world, atOnce } = renewed();
    world.stepClock(step);
    world.pass(everyMs + 10);
    expect(atOnce()).toBe(false);
  });

  it('is answered at once for all leases of a call, or for none', () => {
    const { world, leaseId } = renewed();
    world.take('leased');
    world.pass(10);
    const ids = [...world.pool.leases.values()].map((l) => l.leaseId);
    expect(world.renewals.renewAll(ids)).toBeUndefined();
    expect(world.renewals.renewAll([leaseId, leaseId])).toBe(world.dbNow() - 1);
  });
});

describe('what is owed', () => {
  it('is written when somebody asks for it', async () => {
    const { world, leaseId } = renewed();
    world.heartbeat(leaseId);
    const at = world.dbNow();
    let isWritten = false;
    const written = world.renewals.written().then(() => {
      isWritten = true;
    });
    expect(isWritten).toBe(false);
    world.pass(10);
    await written;
    expect(world.leaseOf(leaseId)?.renewedAt).toBeGreaterThanOrEqual(at);
  });

  it('keeps nobody waiting when it cannot be written', async () => {
    const { world, leaseId } = renewed();
    world.heartbeat(leaseId);
    world.isUp = false;
    const written = world.renewals.written();
    world.pass(10);
    await written;
  });
});

describe('the rule', () => {
  const view = { nowMs: 0, endsAtMs: times.marginMs, owedSinceMs: Number.POSITIVE_INFINITY, isWell: true };
  it.each([
    ['the end is far enough', {}, true],
    ['the end is nearer', { endsAtMs: times.marginMs - 1 }, false],
    ['the last write failed', { isWell: false }, false],
    ['what is owed is in time', { owedSinceMs: -times.delayMs - times.graceMs }, true],
    ['what is owed is late', { owedSinceMs: -times.delayMs - times.graceMs - 1 }, false],
  ])('%s: %o, %s', (_, change, may) => {
    expect(mayAnswerAtOnce({ ...view, ...change }, times)).toBe(may);
  });

  it('never holds for a lease so short that nothing is left beside the margin', () => {
    const short = renewalTimes(30_000, { everyMs, answerMs, patienceMs });
    expect(mayAnswerAtOnce({ ...view, endsAtMs: 30_000 }, short)).toBe(false);
  });
});
