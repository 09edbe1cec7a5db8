import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CountBy, countings, type LeaseMode } from '../../../../licence/words.ts';
import { reservedFree } from '../../../../server/seats/admission.ts';
import { fitReservations } from '../../../../server/seats/fitReservations.ts';
import { askedTail, baseOf, holderKey } from '../../../../server/seats/holderKey.ts';
import { borrow, writeOff } from '../../../../server/seats/ledger/borrow.ts';
import { report } from '../../../../server/seats/ledger/report.ts';
import { clearStale, stale } from '../../../../server/seats/ledger/stale.ts';
import * as ledger from '../../../../server/seats/ledger.ts';
import { partOf, sizeOf, type Weights } from '../../../../server/seats/recount.ts';
import { capsText } from '../../../../server/seats/seatRules.ts';
import * as sql from '../../../../server/seats/seatSql.ts';
import { useLedger } from '../support/ledgerDatabase.ts';

const client = useLedger(sql.seatSetup);

const products = ['erp', 'crm'] as const;
const bases = ['buh', 'zup'];
// the first and the last of a base are one person at two computers
const holders = bases.flatMap((base) =>
  [
    ['anna', 'h'],
    ['boris', 'h'],
    ['anna', 'i'],
  ].map(([user = '', host = '']) => holderKey({ base, user, host, session: '' })),
);
/** What a claim asks for beside its holder: a feature, several seats at once, both. */
const tails = [
  '',
  '',
  '',
  askedTail('payroll', 1),
  askedTail(undefined, 2),
  askedTail('payroll', 2),
  askedTail(undefined, 4),
];
/** Caps as a claim brings them: of everybody together, of each user, and one that lets nobody in. */
const capsOf = (
  holder: string,
  bound: Pick<Bound, 'max' | 'each' | 'out'>,
): { rule: string; tally: string; most: number }[] => {
  const user = partOf(holder, 'user');
  return [
    ...(bound.max === 0 ? [] : [{ rule: 'all', tally: 'all', most: bound.max }]),
    ...(bound.each === 0 ? [] : [{ rule: 'each', tally: `each\u001f${user}`, most: bound.each }]),
    ...(bound.out ? [{ rule: 'out', tally: 'out', most: 0 }] : []),
  ];
};
interface Bound {
  readonly max: number;
  readonly each: number;
  readonly out: boolean;
  readonly priority: number;
  /** How long it may be idle, and keeps its seat at least: where the pool's rules say so. */
  readonly idleAfterMs: number | undefined;
  readonly holdMs: number | undefined;
}
const bound: fc.Arbitrary<Bound> = fc.record({
  max: fc.constantFrom(0, 0, 1, 2),
  each: fc.constantFrom(0, 0, 1),
  out: fc.constantFrom(false, false, false, true),
  priority: fc.constantFrom(0, 0, 0, 5, -5),
  idleAfterMs: fc.constantFrom(undefined, 1_000, 60_000, 300_000),
  holdMs: fc.constantFrom(undefined, undefined, 1_000, 60_000, 200_000),
});
const modes: LeaseMode[] = ['leased', 'sticky', 'reported'];
const leaseMs = 100_000;
const staleMs = 300_000;

/** What happens, in the outside world's words; lease ids are taken from the n-th lease that is held at that moment. */
type Step =
  | {
      kind: 'checkOut';
      product: number;
      claims: { holder: number; mode: number; slot: number; queue: boolean; bound: Bound; tail: number }[];
      give: number[];
    }
  | { kind: 'heartbeat'; leases: number[]; idle: boolean[] }
  | {
      kind: 'report';
      base: number;
      sessions: { holder: number; product: number; bound: Bound; tail: number; idle: boolean }[];
    }
  | { kind: 'wait'; ms: number }
  | { kind: 'limit'; product: number; seats: number; reserved: number[]; overdraft: number }
  | { kind: 'freeze'; product: number; ms: number }
  | {
      kind: 'borrow';
      product: number;
      holder: number;
      hours: number;
      most: number;
      slot: number;
      bound: Bound;
      tail: number;
    }
  | { kind: 'writeOff'; lease: number }
  | { kind: 'clear' }
  | { kind: 'leave'; product: number; holder: number }
  | { kind: 'reap'; product: number };

const product = fc.nat(1);
const tail = fc.nat(tails.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('checkOut' as const),
      product,
      claims: fc.uniqueArray(
        fc.record({
          holder: fc.nat(holders.length - 1),
          mode: fc.nat(2),
          slot: fc.nat(2),
          queue: fc.boolean(),
          bound,
          tail,
        }),
        { maxLength: 5, selector: (c) => `${c.holder}/${tails[c.tail]}` },
      ),
      give: fc.array(fc.nat(9), { maxLength: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('heartbeat' as const),
      leases: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }),
      idle: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('report' as const),
      base: fc.nat(1),
      sessions: fc.uniqueArray(fc.record({ holder: fc.nat(2), product: fc.nat(2), bound, tail, idle: fc.boolean() }), {
        maxLength: 4,
        selector: (s) => `${s.holder}/${s.product}/${tails[s.tail]}`,
      }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 300, 5_000, 60_000, 99_999, 100_000, 100_001, 300_000, 3_600_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('limit' as const),
      product,
      seats: fc.nat(6),
      reserved: fc.array(fc.nat(3), { maxLength: 2 }),
      overdraft: fc.constantFrom(0, 0, 1, 2),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('freeze' as const), product, ms: fc.nat(200_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('borrow' as const),
      product,
      holder: fc.nat(holders.length - 1),
      hours: fc.constantFrom(1, 2, 48),
      most: fc.nat(4),
      slot: fc.nat(2),
      bound,
      tail,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('writeOff' as const), lease: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('leave' as const), product, holder: fc.nat(holders.length - 1) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reap' as const), product }) },
);

/** X: gone; L: it lingers; N: it was not held. */
function releasedCode(pool: ledger.Pool, id: string, now: number): string {
  if (!ledger.release(pool, id, now)) return 'N';
  return [...pool.leases.values()].some((l) => l.leaseId === id) ? 'L' : 'X';
}

type Outcome = ledger.CheckOutOutcome | { readonly code: 'unknown' };
const codeOf = (o: Outcome): string =>
  o.code === 'denied'
    ? { taken: 'D', reserved: 'V', queued: 'Q' }[o.shortage]
    : o.code === 'granted' && o.overdrawn
      ? 'O'
      : { granted: 'G', renewed: 'R', unknown: 'U', barred: 'L', unassigned: 'A' }[o.code];

class World {
  now = Date.parse('2026-01-01T00:00:00Z');
  readonly model: ledger.Ledger = { pools: new Map(), bases: new Map() };
  readonly poolIds: number[] = [];
  /** What each product counts by; undefined: each lease is a seat, and nothing is tallied. */
  readonly countBy: readonly (CountBy | undefined)[];

  /** Undefined: no lease is several seats. */
  readonly weights: (Weights | undefined)[];

  /** Whether seats of each product may linger, or be given up when idle. */
  readonly lingers: readonly boolean[];

  /** Users whose the seats of the first product are; undefined: they are whoever's. */
  readonly assigned: readonly string[] | undefined;

  constructor(
    countBy: readonly (CountBy | undefined)[],
    weights: readonly (Weights | undefined)[],
    lingers: readonly boolean[],
    assigned?: readonly string[],
  ) {
    this.lingers = lingers;
    this.assigned = assigned;
    this.countBy = countBy;
    this.weights = [...weights];
  }
  holder(n: number, holder: number, tail: number): string {
    const asked = tails[tail] ?? '';
    const may = this.weights[n] !== undefined || asked === askedTail('payroll', 1);
    return (holders[holder] ?? '') + (may ? asked : '');
  }

  async open(): Promise<void> {
    await client().query('TRUNCATE pool, lease, base, waiter, event, seat, tally, assignment RESTART IDENTITY');
    for (const name of products) {
      this.model.pools.set(name, ledger.newPool(3));
      const { rows } = await client().query(
        'INSERT INTO pool (product, seat_limit, count_by, weights, lingers) VALUES ($1, 3, $2, $3, $4) RETURNING pool_id',
        [
          name,
          this.countBy[this.poolIds.length] ?? null,
          this.weights[this.poolIds.length] ?? null,
          this.lingers[this.poolIds.length] ?? false,
        ],
      );
      this.poolIds.push(rows[0].pool_id);
    }
    if (this.assigned === undefined) return;
    this.pool(0).assigned = new Set(this.assigned);
    await client().query('UPDATE pool SET named = true WHERE pool_id = $1', [this.poolIds[0]]);
    await client().query(
      'INSERT INTO assignment (pool_id, person, shown, assigned_at) SELECT $1, p, p, $3 FROM unnest($2::text[]) p',
      [this.poolIds[0], this.assigned, new Date(this.now)],
    );
  }
  pool(n: number): ledger.Pool {
    const pool = this.model.pools.get(products[n] ?? '');
    if (pool === undefined) throw new Error('no such product');
    return pool;
  }
  /** What the rules say about a holder, as the ledger and as its twin are told. */
  ruled(n: number, holder: string, { priority, idleAfterMs, holdMs, ...rest }: Bound) {
    const countBy = this.countBy[n];
    const caps = countBy === undefined ? [] : capsOf(holder, rest);
    const size = sizeOf(holder, this.weights[n] ?? {});
    const times = this.lingers[n] ? { idleAfterMs, holdMs } : {};
    return { part: partOf(holder, countBy ?? 'session'), size, caps, priority, ...times };
  }
  held(n: number): string {
    const all = [...this.model.pools.values()].flatMap((p) => [...p.leases.values()]);
    return all[n % Math.max(all.length, 1)]?.leaseId ?? randomUUID();
  }

  async take(s: Step): Promise<void> {
    if (s.kind === 'wait') this.now += s.ms;
    else if (s.kind === 'checkOut') await this.checkOut(s);
    else if (s.kind === 'heartbeat') await this.heartbeat(s);
    else if (s.kind === 'report') await this.report(s);
    else if (s.kind === 'borrow') await this.borrow(s);
    else if (s.kind === 'writeOff') await this.writeOff(s);
    else if (s.kind === 'limit') await this.limit(s);
    else if (s.kind === 'freeze') {
      this.pool(s.product).frozenUntil = this.now + s.ms;
      await client().query('UPDATE pool SET frozen_until = $2 WHERE pool_id = $1', [
        this.poolIds[s.product],
        new Date(this.now + s.ms),
      ]);
    } else if (s.kind === 'clear') {
      // in portions of two, as far as they go
      let cleared = 0;
      for (const id of this.poolIds) {
        for (let found = 2; found === 2; ) {
          const { rows } = await client().query(
            "SELECT n_stale, cleared FROM clear_stale($1, $2 * interval '1 ms', 'R', 2, $3)",
            [id, staleMs, new Date(this.now)],
          );
          found = rows[0].n_stale;
          cleared += rows[0].cleared;
        }
      }
      const kept = await client().query('SELECT count(*)::int AS n FROM lease');
      expect({ cleared, kept: kept.rows[0].n }).toEqual(clearStale(this.model, this.now, staleMs));
    } else if (s.kind === 'leave') {
      const holder = holders[s.holder] ?? '';
      const { rows } = await client().query(
        'SELECT extract(epoch FROM live_until) * 1000 - 20000 AS asked FROM waiter WHERE pool_id = $1 AND holder = $2',
        [this.poolIds[s.product], holder],
      );
      // one that has asked again since stays
      for (const [askedMs, goes] of [
        [Number(rows[0]?.asked ?? 0) - 2, false],
        [Number(rows[0]?.asked ?? 0), true],
      ] as const) {
        if (goes) ledger.leave(this.pool(s.product), holder);
        await client().query('SELECT leave_queue($1, $2, $3, 20000, $4)', [
          this.poolIds[s.product],
          [holder],
          [askedMs],
          new Date(this.now),
        ]);
        await this.compareQueue(s.product);
      }
    } else {
      const { rows } = await client().query('SELECT n FROM reap_due($1, $2)', [
        this.poolIds[s.product],
        new Date(this.now),
      ]);
      expect(rows[0].n).toBe(ledger.reap(this.pool(s.product), this.now));
    }
  }

  async checkOut(s: Step & { kind: 'checkOut' }): Promise<void> {
    const pool = this.pool(s.product);
    const ids = [...new Set(s.give.map((n) => this.held(n)))];
    const distinct = [...new Map(s.claims.map((c) => [this.holder(s.product, c.holder, c.tail), c])).values()];
    const claims = distinct.map((c) => ({
      holder: this.holder(s.product, c.holder, c.tail),
      leaseId: randomUUID(),
      mode: modes[c.mode] ?? 'leased',
      slot: c.slot <= pool.reserved.length ? c.slot : 0,
      queueMs: c.queue ? 20_000 : 0,
      ...this.ruled(s.product, this.holder(s.product, c.holder, c.tail), c.bound),
    }));
    const released = ids.map((id) => releasedCode(pool, id, this.now)).join('');
    const outcomes = ledger.checkOut(
      this.model,
      pool,
      claims.map((c) => ({ ...c, base: baseOf(c.holder) })),
      this.now,
      leaseMs,
    );
    const got = await sql.seatBatch(
      client(),
      this.poolIds[s.product] ?? 0,
      leaseMs,
      claims.map((c) => ({ ...c, caps: capsText(c.caps) })),
      ids.map((leaseId) => ({ leaseId, cause: 'holder' })),
      this.now,
    );
    expect(got.releaseCodes).toBe(released);
    expect(got.codes).toBe(outcomes.map(codeOf).join(''));
    expect(got.renewedIds).toEqual(outcomes.flatMap((o) => (o.code === 'renewed' ? [o.leaseId] : [])));
    outcomes.forEach((o, i) => {
      if (o.code === 'denied' && o.place !== undefined) expect(got.places?.[i]).toBe(String(o.place));
    });
    outcomes.forEach((o, i) => {
      if (o.code === 'barred') expect(got.caps?.[i]).toBe(String(o.cap + 1));
    });
    expect([got.inUse, got.seatLimit]).toEqual([ledger.inUseOf(pool), pool.seatLimit]);
    // what a refusal counts; where nobody is refused it is not asked
    if (outcomes.some((o) => o.code === 'denied' || o.code === 'barred'))
      expect([got.reservedFree, got.waiting]).toEqual([reservedFree(ledger.countsOf(pool)), pool.waiters.size]);
  }

  async borrow(s: Step & { kind: 'borrow' }): Promise<void> {
    const pool = this.pool(s.product);
    this.weights[s.product] ??= {}; // a pool that lends is no plain one
    const holder = this.holder(s.product, s.holder, s.tail);
    const asked = {
      holder,
      leaseId: randomUUID(),
      slot: s.slot <= pool.reserved.length ? s.slot : 0,
      ...this.ruled(s.product, holder, s.bound),
    };
    const want = borrow(
      this.model,
      pool,
      { ...asked, base: baseOf(holder), mode: 'borrowed', queueMs: 0 },
      s.hours * 3_600_000,
      s.most,
      this.now,
    );
    const got = await sql.borrowSeat(
      client(),
      this.poolIds[s.product] ?? 0,
      { ...asked, caps: capsText(asked.caps) },
      s,
      this.now,
    );
    expect(got.code).toBe(want.code === 'lent' ? 'B' : codeOf(want));
    if (want.code === 'barred') expect(got.cap).toBe(want.cap + 1);
    if ('leaseId' in want) expect(got.leaseId).toBe(want.leaseId);
    if ('leaseId' in want) expect(got.untilMs).toBe(pool.leases.get(holder)?.expiresAt);
    if (want.code !== 'lent') expect(got.inUse).toBe(ledger.inUseOf(pool));
  }

  async writeOff(s: Step & { kind: 'writeOff' }): Promise<void> {
    const id = this.held(s.lease);
    const want = [...this.model.pools.values()].some((pool) => writeOff(pool, id));
    const { rows } = await client().query('SELECT write_off($1) AS at', [id]);
    expect(rows[0].at !== null).toBe(want);
  }

  async heartbeat(s: Step & { kind: 'heartbeat' }): Promise<void> {
    const ids = [...new Set(s.leases.map((n) => this.held(n)))];
    const idle = ids.filter((_, i) => s.idle[i]);
    const want = ids.map((id) =>
      [...this.model.pools.values()].some(
        (p) => ledger.renew(p, id, this.now, leaseMs, idle.includes(id)) === 'renewed',
      ),
    );
    const got = await sql.heartbeatBatch(client(), leaseMs, ids, this.now, idle);
    expect(got.marks === '' ? ids.map(() => true) : [...got.marks].map((m) => m === '1' || m === '3')).toEqual(want);
  }

  async report(s: Step & { kind: 'report' }): Promise<void> {
    const base = bases[s.base] ?? '';
    const holderOf = (x: (typeof s.sessions)[number]) => this.holder(x.product, s.base * 3 + x.holder, x.tail);
    const distinct = [...new Map(s.sessions.map((x) => [`${x.product}/${holderOf(x)}`, x])).values()];
    const sessions = distinct.map((x) => ({
      product: products[x.product] ?? 'none',
      holder: holderOf(x),
      leaseId: randomUUID(),
      slot: 0,
      poolId: this.poolIds[x.product] ?? 0,
      idle: x.idle,
      ...this.ruled(x.product, holderOf(x), x.bound),
    }));
    const told = sessions.map((x) => ({ ...x, caps: capsText(x.caps) }));
    const want = report(this.model, base, sessions, this.now, leaseMs);
    const quick = (await sql.reportUnchanged(client(), [{ base, sessions: told }], this.now))[0];
    const got = quick ?? (await sql.reportBatch(client(), leaseMs, [{ base, sessions: told }], this.now)).results[0];
    expect(got?.released).toBe(want.released);
    expect(got?.codes).toBe(want.sessions.map(codeOf).join(''));
    expect(got?.leaseIds.slice(0, sessions.length)).toEqual(
      want.sessions.map((o) => ('leaseId' in o ? o.leaseId : '')),
    );
    want.sessions.forEach((o, i) => {
      if (o.code === 'barred') expect(got?.caps?.[i]).toBe(String(o.cap + 1));
    });
    if (quick)
      for (const o of want.sessions)
        if ('leaseId' in o)
          await client().query('UPDATE lease SET renewed_at = $2 WHERE lease_id = $1', [o.leaseId, new Date(this.now)]);
  }

  async limit(s: Step & { kind: 'limit' }): Promise<void> {
    const pool = this.pool(s.product);
    if ([...pool.leases.values()].some((l) => l.slot > 0)) return; // reservations change only while none is in use, here
    pool.seatLimit = s.seats;
    pool.overdraft = s.overdraft;
    pool.reserved = fitReservations(s.seats, s.reserved);
    const reserved = s.reserved.length === 0 ? null : pool.reserved;
    await client().query(
      'UPDATE pool SET seat_limit = $2, reserved = $3, reserved_used = $4, overdraft = $5 WHERE pool_id = $1',
      [this.poolIds[s.product], s.seats, reserved, reserved?.map(() => 0) ?? null, s.overdraft],
    );
  }

  async compareQueue(n: number): Promise<void> {
    const { rows } = await client().query(
      'SELECT holder FROM waiter WHERE pool_id = $1 AND live_until > $2 ORDER BY priority DESC, ticket',
      [this.poolIds[n], new Date(this.now)],
    );
    const live = [...this.pool(n).waiters.values()].filter((w) => w.liveUntil > this.now);
    live.sort((a, b) => b.priority - a.priority || a.ticket - b.ticket);
    expect(rows.map((r) => r.holder)).toEqual(live.map((w) => w.holder));
  }

  async compareSeats(n: number): Promise<void> {
    const pool = this.pool(n);
    const seats = await client().query(
      'SELECT part, leases, slot, tallies FROM seat WHERE pool_id = $1 ORDER BY part',
      [this.poolIds[n]],
    );
    const shared = [...pool.seats].map(([part, seat]) => ({
      part,
      leases: seat.leases,
      slot: seat.slot,
      tallies: seat.tallies.length === 0 ? null : seat.tallies.join('\u001e'),
    }));
    expect(seats.rows).toEqual(shared.sort((a, b) => (a.part < b.part ? -1 : 1)));
    const tallies = await client().query('SELECT key, used FROM tally WHERE pool_id = $1 ORDER BY key', [
      this.poolIds[n],
    ]);
    const counted = [...pool.tallies].filter(([, used]) => used > 0).map(([key, used]) => ({ key, used }));
    expect(tallies.rows).toEqual(counted.sort((a, b) => (a.key < b.key ? -1 : 1)));
  }

  /** Everything that is stored, beside everything that the model holds. */
  async compare(): Promise<void> {
    for (const [n, name] of products.entries()) {
      const pool = this.pool(n);
      const { rows } = await client().query(
        `SELECT lease_id, holder, kind, slot, extract(epoch FROM acquired_at) * 1000 AS acquired, extract(epoch FROM renewed_at) * 1000 AS renewed,
                CASE WHEN expires_at = 'infinity' THEN NULL ELSE extract(epoch FROM expires_at) * 1000 END AS expires,
                extract(epoch FROM idle_from) * 1000 AS idle FROM lease WHERE pool_id = $1`,
        [this.poolIds[n]],
      );
      const stored = rows.map((r) => [
        r.lease_id,
        r.holder,
        sql.modeOf(r.kind),
        r.kind === sql.writtenOffKind,
        r.slot,
        Number(r.acquired),
        Number(r.renewed),
        r.expires === null ? Infinity : Number(r.expires),
        r.idle === null ? undefined : Number(r.idle),
      ]);
      const held = [...pool.leases.values()].map((l) => [
        l.leaseId,
        l.holder,
        l.mode,
        l.writtenOff === true,
        l.slot,
        l.acquiredAt,
        l.renewedAt,
        l.expiresAt,
        l.idleFrom,
      ]);
      const byId = (a: unknown[], b: unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
      expect(stored.sort(byId), name).toEqual(held.sort(byId));
      await this.compareQueue(n);
      const counters = (
        await client().query(
          'SELECT in_use, next_expiry, coalesce(reserved_used, $2) AS used FROM pool WHERE pool_id = $1',
          [this.poolIds[n], []],
        )
      ).rows[0];
      expect(counters.in_use).toBe(ledger.inUseOf(pool));
      const seats = [...pool.seats.values()];
      expect(counters.used).toEqual(
        pool.reserved.map((_, i) => seats.reduce((sum, x) => sum + (x.slot === i + 1 ? x.size : 0), 0)),
      );
      if (this.countBy[n] !== undefined) await this.compareSeats(n);
      const first = Math.min(...[...pool.leases.values()].map((l) => l.expiresAt));
      const bound = counters.next_expiry === Infinity ? Infinity : counters.next_expiry.getTime();
      expect(bound).toBeLessThanOrEqual(first);
    }
    const { rows } = await client().query("SELECT lease_id FROM stale_leases($1 * interval '1 ms', $2)", [
      staleMs,
      new Date(this.now),
    ]);
    expect(rows.map((r) => r.lease_id).sort()).toEqual(
      stale(this.model, this.now, staleMs)
        .map((l) => l.leaseId)
        .sort(),
    );
  }
}

const counted = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 5, arbitrary: fc.constantFrom(...countings) },
);

const weighed = fc.constantFrom(undefined, undefined, {}, { payroll: 2 });

/** Who waits asks once more without waiting, by another priority, while all is taken. */
const asksOnceMore: Step[] = (() => {
  const asks = (holder: number, priority: number, queue: boolean): Step => ({
    kind: 'checkOut',
    product: 0,
    claims: [
      {
        holder,
        mode: 0,
        slot: 0,
        queue,
        tail: 0,
        bound: { max: 0, each: 0, out: false, priority, idleAfterMs: undefined, holdMs: undefined },
      },
    ],
    give: [],
  });
  return [
    { kind: 'limit', product: 0, seats: 0, reserved: [], overdraft: 0 },
    asks(1, 0, true),
    asks(0, 5, true),
    asks(0, 0, false),
  ];
})();

it('random histories leave the SQL twin and the pure ledger in the same state, and both answer the same', async () => {
  const runs = Number(process.env.TWIN_RUNS ?? 150);
  let steps = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(counted, counted),
      fc.tuple(weighed, weighed),
      fc.tuple(fc.boolean(), fc.boolean()),
      fc.constantFrom(undefined, undefined, undefined, ['anna'], []),
      fc.array(step, { minLength: 5, maxLength: 40 }),
      async (countBy, weights, lingers, assigned, history) => {
        const world = new World(assigned ? ['user', countBy[1]] : countBy, weights, lingers, assigned);
        await world.open();
        for (const s of history) {
          await world.take(s);
          await world.compare();
          steps += 1;
        }
      },
    ),
    {
      numRuns: runs,
      endOnFailure: false,
      examples: [[[undefined, undefined], [undefined, undefined], [false, false], undefined, asksOnceMore]],
    },
  );
  console.log(`${runs} histories, ${steps} steps`);
}, 300_000);

/** Programs that come, fall idle and are woken, where the rules bound that. */
const idlers: fc.Arbitrary<Step[]> = (() => {
  const times = fc.record({
    max: fc.constantFrom(0, 0, 2),
    each: fc.constantFrom(0, 0, 0, 1),
    out: fc.constant(false),
    priority: fc.constantFrom(0, 0, 5),
    idleAfterMs: fc.constantFrom(undefined, 1_000, 1_000, 20_000),
    holdMs: fc.constantFrom(undefined, undefined, 60_000),
  });
  const product = fc.constant(0);
  const holder = fc.nat(holders.length - 1);
  const claim = fc.record({
    holder,
    mode: fc.constantFrom(0, 0, 1),
    slot: fc.nat(1),
    queue: fc.boolean(),
    bound: times,
    tail,
  });
  const session = fc.record({ holder: fc.nat(2), product, bound: times, tail, idle: fc.boolean() });
  const checkOut = fc.record({
    kind: fc.constant('checkOut' as const),
    product,
    claims: fc.uniqueArray(claim, { minLength: 1, maxLength: 4, selector: (c) => `${c.holder}/${tails[c.tail]}` }),
    give: fc.array(fc.nat(9), { maxLength: 1 }),
  });
  const wait = fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 5_000, 30_000) });
  const heartbeat = fc.record({
    kind: fc.constant('heartbeat' as const),
    leases: fc.constantFrom<number[]>([0, 1, 2], [1, 2, 3], [0, 2]),
    idle: fc.constantFrom<boolean[]>([true, true, true], [true, false, true], [false, true, true]),
  });
  const report = fc.record({
    kind: fc.constant('report' as const),
    base: fc.nat(1),
    sessions: fc.uniqueArray(session, { maxLength: 3, selector: (s) => `${s.holder}/${s.product}/${tails[s.tail]}` }),
  });
  const limit = fc.record({
    kind: fc.constant('limit' as const),
    product,
    seats: fc.integer({ min: 1, max: 4 }),
    reserved: fc.array(fc.constantFrom(1, 2), { maxLength: 1 }),
    overdraft: fc.constantFrom(0, 0, 1),
  });
  return fc.oneof(
    { weight: 6, arbitrary: fc.tuple(checkOut, heartbeat, wait, heartbeat, wait, checkOut) },
    { weight: 3, arbitrary: fc.tuple(report, wait, report, wait, checkOut) },
    { weight: 2, arbitrary: fc.tuple(fc.oneof(wait, heartbeat, report, checkOut)) },
    { weight: 1, arbitrary: fc.tuple(limit) },
  );
})();

it('the same of programs that fall idle, and of seats that linger', async () => {
  const runs = Number(process.env.TWIN_RUNS ?? 50);
  let given = 0;
  let lingering = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(counted, counted),
      fc.tuple(weighed, weighed),
      fc.array(idlers, { minLength: 3, maxLength: 12 }),
      async (countBy, weights, history) => {
        const world = new World(countBy, weights, [true, true]);
        await world.open();
        for (const s of history.flat()) {
          await world.take(s);
          await world.compare();
        }
        const { rows } = await client().query(
          "SELECT (SELECT count(*)::int FROM event WHERE code = 'I') AS given, (SELECT count(*)::int FROM lease WHERE kind = -3) AS lingering",
        );
        given += rows[0].given;
        lingering += rows[0].lingering;
      },
    ),
    { numRuns: runs, endOnFailure: false },
  );
  expect({ given: given > runs / 10, lingering: lingering > 0 }).toEqual({ given: true, lingering: true });
  console.log(`${runs} histories, ${given} idle seats given to others, ${lingering} lingering at the end`);
}, 300_000);
