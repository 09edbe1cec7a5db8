import { mayAnswerAtOnce, type RenewalTimes } from './answerAtOnce.ts';

/** A lease of which the database confirmed a renewal. */
interface Known {
  readonly leaseId: string;
  /** It does not end before, in the database. */
  endsAtMs: number;
  /** A renewal was answered that is not yet on its way to the database. */
  isOwed: boolean;
  owedAtMs: number;
  /** When the last renewal was answered at once. */
  answeredAtMs: number;
  /** It has ended, or has been renewed otherwise since: nothing of it is owed. */
  isOver: boolean;
}

/** A statement with renewals on its way. */
export interface Sent {
  readonly atMs: number;
  /** Leases that ended meanwhile: what the statement says of them is out of date. */
  over?: Set<string>;
}

export interface RenewalsOptions {
  readonly leaseMs: number;
  readonly times: RenewalTimes;
  /** Writes renewals; `failed`: some or all may not be in the database. */
  write(leaseIds: readonly string[], done: () => void, failed: () => void): void;
  /** Answered renewals may not come into the database: nothing must expire meanwhile. */
  missed(): void;
  /** A lease was gone before its time, and not by this server: whoever did that did not go through it. */
  endedByOthers(leaseId: string): void;
  /** In ms, of a clock that is never set. */
  readonly now?: () => number;
  /** So many leases are known at most. */
  readonly most?: number;
}

/** Rows of one write: others wait no longer than these take. */
const portion = 500;
/** Writes under way at once. */
const mostWrites = 2;
const everyMs = 250;
/** A statement whose outcome is unknown has come to its end after this. */
export const settledMs = 30_000;
/** The clocks of the database and this process may run apart by so much. */
const driftMs = 1_000;

/**
 * Renewals that are answered at once and written later, many by one statement: what is known of leases, what is owed to the database,
 * and what ends the knowledge. Whether one may be is decided by `answerAtOnce.ts`.
 */
export class Renewals {
  readonly #o: RenewalsOptions;
  readonly #now: () => number;
  readonly #most: number;
  readonly #known = new Map<string, Known>();
  /** Leases on whose end somebody is at work: they are not known again before its outcome is. */
  readonly #ending = new Map<string, number>();
  readonly #sent = new Set<Sent>();
  /** Statements under way that may make leases another kind: such a lease may then be ended by what never had its id. */
  #changing = 0;
  /** The oldest first, from `#head`. */
  #owed: Known[] = [];
  #head = 0;
  /** When the oldest renewal of each write under way was answered. */
  readonly #writing = new Set<{ readonly sinceMs: number }>();
  #isWell = true;
  /** Until then nothing is known. */
  #doubtfulUntilMs = Number.NEGATIVE_INFINITY;
  /** The database's clock, from ours. */
  #aheadMs = Number.NaN;
  /** Those owed now are written though they are not due. */
  #hurriedUntilMs = Number.NEGATIVE_INFINITY;
  #waiting: { readonly untilMs: number; resolve(): void }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sweptAtMs = 0;

  constructor(options: RenewalsOptions) {
    this.#o = options;
    const now = options.now ?? (() => performance.now());
    this.#now = () => Math.floor(now()); // whole numbers: a hundred thousand leases take less room by that
    this.#most = options.most ?? 250_000;
  }

  start(): void {
    this.#timer = setInterval(() => this.tick(), everyMs);
  }

  /** Writes what is owed. Resolves when it is written, or cannot be. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.written();
  }

  /** Renews a lease if that may be answered at once: the database's time of the answer, in ms since the epoch; undefined: ask the database. */
  renew(leaseId: string): number | undefined {
    const lease = this.#known.get(leaseId);
    if (lease === undefined) return undefined;
    const nowMs = this.#now();
    if (!this.#may(lease, nowMs)) return undefined;
    this.#owe(lease, nowMs);
    return nowMs + this.#aheadMs;
  }

  /** All of them, or none. */
  renewAll(leaseIds: readonly string[]): number | undefined {
    const nowMs = this.#now();
    const leases: Known[] = [];
    for (const leaseId of leaseIds) {
      const lease = this.#known.get(leaseId);
      if (lease === undefined || !this.#may(lease, nowMs)) return undefined;
      leases.push(lease);
    }
    for (const lease of leases) this.#owe(lease, nowMs);
    return nowMs + this.#aheadMs;
  }

  #may(lease: Known, nowMs: number): boolean {
    if (this.#changing > 0) return false;
    const view = { nowMs, endsAtMs: lease.endsAtMs, owedSinceMs: this.#owedSince(), isWell: this.#isWell };
    return mayAnswerAtOnce(view, this.#o.times);
  }

  #owe(lease: Known, nowMs: number): void {
    lease.answeredAtMs = nowMs;
    if (lease.isOwed) return;
    lease.isOwed = true;
    lease.owedAtMs = nowMs;
    this.#owed.push(lease);
  }

  #owedSince(): number {
    return this.#head < this.#owed.length ? (this.#owed[this.#head]?.owedAtMs ?? 0) : Number.POSITIVE_INFINITY;
  }

  #unwrittenSince(): number {
    let sinceMs = this.#owedSince();
    for (const writing of this.#writing) sinceMs = Math.min(sinceMs, writing.sinceMs);
    return sinceMs;
  }

  /** How much later than it may be the oldest owed renewal is, in ms; 0: none is late. */
  lateMs(): number {
    return Math.max(0, this.#now() - this.#owedSince() - this.#o.times.delayMs - this.#o.times.graceMs);
  }

  /** The time by which answers at once are told from what is sent afterwards. */
  nowMs(): number {
    return this.#now();
  }

  /** A statement with renewals is sent now; `answered` or `lost` follows. */
  send(): Sent {
    const sent: Sent = { atMs: this.#now() };
    this.#sent.add(sent);
    return sent;
  }

  /** No answer came. `idle`: leases that it said are idle. */
  lost(sent: Sent, idle: readonly string[] = []): void {
    this.#sent.delete(sent);
    this.#isWell = false;
    for (const leaseId of idle) this.forget(leaseId, Number.NEGATIVE_INFINITY);
  }

  /** `marks`, `dbNowMs`, `idle`: as of `heartbeatBatch`. The seat of an idle program may be given to others: the database is asked for it. */
  answered(
    sent: Sent,
    leaseIds: readonly string[],
    marks: string,
    dbNowMs: number,
    idle: readonly string[] = [],
  ): void {
    this.#sent.delete(sent);
    this.#isWell = true;
    this.observe(dbNowMs, false);
    const nowMs = this.#now();
    const endsAtMs = sent.atMs + this.#o.leaseMs;
    const isDoubtful = nowMs < this.#doubtfulUntilMs;
    const idles = idle.length === 0 ? undefined : new Set(idle);
    for (let i = 0; i < leaseIds.length; i++) {
      const leaseId = leaseIds[i] as string;
      if (idles?.has(leaseId) === true) {
        const isRenewed = marks === '' || marks[i] === '1' || marks[i] === '3';
        this.forget(leaseId, isRenewed ? sent.atMs : Number.NEGATIVE_INFINITY);
        continue;
      }
      const known = this.#known.get(leaseId);
      if (marks !== '' && marks[i] !== '1') {
        if (marks[i] === '2' || known === undefined) continue;
        known.isOver = true;
        this.#known.delete(leaseId);
        if (marks[i] === '0' && known.endsAtMs > nowMs) this.#o.endedByOthers(leaseId);
      } else if (sent.over?.has(leaseId) === true || this.#ending.has(leaseId)) continue;
      else if (known !== undefined) known.endsAtMs = Math.max(known.endsAtMs, endsAtMs);
      else if (!isDoubtful && this.#known.size < this.#most) this.#learn(leaseId, endsAtMs);
    }
  }

  #learn(part: string, endsAtMs: number): void {
    // not a part of the address of a request, which would be kept with it
    const leaseId = Buffer.from(part, 'latin1').toString('latin1');
    this.#known.set(leaseId, { leaseId, endsAtMs, isOwed: false, owedAtMs: 0, answeredAtMs: 0, isOver: false });
  }

  /** The database's clock, as an answer told it that comes in now. `isShaken`: expiry was frozen, by a jump of the clock, an outage or a crash. */
  observe(dbNowMs: number, isShaken: boolean): void {
    const aheadMs = dbNowMs - this.#now();
    if (isShaken || Math.abs(aheadMs - this.#aheadMs) > driftMs) this.#known.clear();
    this.#aheadMs = aheadMs;
  }

  /** Somebody begins to end a lease: from now on the database is asked for it. `ended` follows. */
  ending(leaseId: string): void {
    this.#ending.set(leaseId, (this.#ending.get(leaseId) ?? 0) + 1);
    this.#known.delete(leaseId);
  }

  /** The outcome is known, and nobody has been told yet. */
  ended(leaseId: string): void {
    const others = (this.#ending.get(leaseId) ?? 1) - 1;
    if (others > 0) this.#ending.set(leaseId, others);
    else this.#ending.delete(leaseId);
    this.forget(leaseId);
  }

  /**
   * A statement is sent that may make leases another kind: until it has come to its end, which the answered function is called for, the
   * database is asked for every lease. Before, whoever sent it forgets those leases, or has a doubt.
   */
  changing(): () => void {
    this.#changing += 1;
    return () => {
      this.#changing -= 1;
    };
  }

  /**
   * A lease has ended, is idle or of another kind, and nobody has been told yet. What was answered at once until `settledMs` is owed no
   * more: the lease was renewed otherwise after that, or has ended.
   */
  forget(leaseId: string, settledMs = Number.POSITIVE_INFINITY): void {
    const known = this.#known.get(leaseId);
    if (known !== undefined && known.answeredAtMs <= settledMs) known.isOver = true;
    this.#known.delete(leaseId);
    for (const sent of this.#sent) {
      sent.over ??= new Set();
      sent.over.add(leaseId);
    }
  }

  /** Some statement that ends leases has an unknown outcome: it may still come true. */
  doubt(): void {
    this.#known.clear();
    this.#doubtfulUntilMs = this.#now() + settledMs;
  }

  /** Writes what is owed. Resolves when it is written, or cannot be. */
  written(): Promise<void> {
    const untilMs = this.#now();
    if (this.#unwrittenSince() > untilMs) return Promise.resolve();
    this.#hurriedUntilMs = untilMs;
    return new Promise((resolve) => {
      this.#waiting.push({ untilMs, resolve });
      this.#write();
    });
  }

  /** Writes what is due. */
  tick(): void {
    this.#write();
    const nowMs = this.#now();
    if (nowMs - this.#sweptAtMs < this.#o.leaseMs / 4) return;
    this.#sweptAtMs = nowMs;
    for (const [leaseId, { endsAtMs }] of this.#known) if (endsAtMs <= nowMs) this.#known.delete(leaseId);
  }

  #write(): void {
    const dueMs = Math.max(this.#now() - this.#o.times.delayMs, this.#hurriedUntilMs);
    while (this.#writing.size < mostWrites && this.#owedSince() <= dueMs) this.#writePortion(dueMs);
    if (this.#waiting.length > 0) this.#tellWaiting(false);
  }

  #writePortion(dueMs: number): void {
    const leases: Known[] = [];
    while (leases.length < portion && this.#owedSince() <= dueMs) {
      const lease = this.#owed[this.#head++] as Known;
      lease.isOwed = false; // one that is renewed from now on is owed again
      if (!lease.isOver) leases.push(lease);
    }
    if (this.#head > 10_000 || this.#head === this.#owed.length) {
      this.#owed = this.#owed.slice(this.#head);
      this.#head = 0;
    }
    if (leases.length === 0) return;
    const writing = { sinceMs: leases[0]?.owedAtMs ?? 0 };
    this.#writing.add(writing);
    this.#o.write(
      leases.map((lease) => lease.leaseId),
      () => {
        this.#writing.delete(writing);
        this.#write();
      },
      () => {
        this.#writing.delete(writing);
        this.#isWell = false;
        this.#o.missed();
        const again = leases.filter((lease) => !lease.isOwed && !lease.isOver);
        for (const lease of again) lease.isOwed = true;
        this.#owed = [...again, ...this.#owed.slice(this.#head)];
        this.#head = 0;
        this.#tellWaiting(true);
      },
    );
  }

  /** Those whose renewals are written, or cannot be. */
  #tellWaiting(isHopeless: boolean): void {
    const sinceMs = this.#unwrittenSince();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (isHopeless || one.untilMs < sinceMs) one.resolve();
      else this.#waiting.push(one);
    }
  }
}
