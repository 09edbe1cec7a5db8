import type { CountBy } from '../../../licence/words.ts';
import { admission } from '../admission.ts';
import { separator } from '../holderKey.ts';
import { partOf, sizeOf, type Weights } from '../recount.ts';
import type { RuleCap, Ruled, RulesOf } from '../seatRules.ts';
import { Fifo } from './fifo.ts';

/** What a world is played by. */
export interface Terms {
  readonly seatLimit: number;
  readonly overdraft: number;
  /** Seats of each reservation, cut down to the limit. */
  readonly reserved: readonly number[];
  readonly countBy: CountBy;
  readonly weights: Weights;
  readonly rulesOf: RulesOf | undefined;
}

/** What happened on one day to those who asked on it. Times in ms. */
export interface DayCounts {
  /** Holders that were refused when they asked. */
  refused: number;
  /** Of these, who had no seat a minute later. */
  unmet: number;
  /** Most seats in use at one time. */
  peak: number;
  waitedMs: number;
  longestMs: number;
}

/** Somebody who comes and leaves, with what it has in each world: looked up once, whatever number of worlds is played. */
export interface Person {
  readonly holder: string;
  /** Who shares a seat with it has the same one. */
  readonly part: string;
  /** How many seats it asks for. */
  readonly size: number;
  /** By the number of the world. */
  readonly sessions: (Session | undefined)[];
  /** Only refusals of it are known. */
  imagined: boolean;
}

export const newPerson = (holder: string, { countBy, weights }: Pick<Terms, 'countBy' | 'weights'>): Person => ({
  holder,
  part: countBy === 'session' ? holder : partOf(holder, countBy),
  size: isSized(holder) ? sizeOf(holder, weights) : 1,
  sessions: [],
  imagined: false,
});

/** A holder of one seat of no feature ends after its fourth part. */
function isSized(holder: string): boolean {
  let at = -1;
  for (let n = 0; n < 4; n++) {
    at = holder.indexOf(separator, at + 1);
    if (at < 0) return false;
  }
  return true;
}

/** Of a person in one world: it has a seat, or asks for one. */
export interface Session {
  readonly part: string;
  readonly ruled: Ruled;
  /** How many seats it asks for. */
  readonly size: number;
  readonly askedAt: number;
  readonly ticket: number;
  readonly day: DayCounts;
  state: 'holds' | 'waits' | 'gone';
  since: number;
  /** The session that took the seat which this one has: itself, or one that it shares it with. */
  seat: Session | undefined;
  /** Of the seat that it took: the reservation that it is of (0: none), and how many sessions have it. */
  slot: number;
  leases: number;
}

const unruled: Ruled = { slot: 0, priority: 0, caps: [] };
const unmetMs = 60_000;
/** Rules look at base, user and computer: what they say of so many of them is kept. */
const mostKnown = 20_000;
const waits = (s: Session): boolean => s.state === 'waits';
const newDay = (peak: number): DayCounts => ({ refused: 0, unmet: 0, peak, waitedMs: 0, longestMs: 0 });

/**
 * One way in which a time could have gone: holders come and go as they did, and the ledger's rules say who has a seat. Whoever is refused
 * asks on until it has one or leaves, those of a higher priority first, then those who have asked for longer. Times in ms.
 */
export class World {
  day = newDay(0);
  readonly #terms: Terms;
  readonly #counts: {
    seatLimit: number;
    overdraft: number;
    inUse: number;
    reserved: readonly number[];
    reservedUsed: number[];
  };
  /** Its number. */
  readonly #n: number;
  /** Sessions that wait. */
  readonly #asking = new Set<Session>();
  /** By the part that shares them; of seats that nobody can share nothing is kept here. */
  readonly #seats = new Map<string, Session>();
  readonly #tallies = new Map<string, number>();
  readonly #known = new Map<string, Ruled>();
  /** Who waits for a seat, by priority and reservation. */
  readonly #queues = new Map<
    string,
    { readonly priority: number; readonly slot: number; readonly fifo: Fifo<Session> }
  >();
  /** The seats that are waited for, by priority. */
  readonly #waiting = new Map<number, number>();
  #waits = 0;
  #tooMuch = false;
  /** Who waits until a rule lets in one more, by tally. */
  readonly #bounded = new Map<string, Fifo<Session>>();
  /** Who waits, by the seat that it would share. */
  readonly #parts = new Map<string, Session[]>();
  #ticket = 0;

  constructor(terms: Terms, n = 0) {
    this.#terms = terms;
    this.#n = n;
    const { seatLimit, overdraft, reserved } = terms;
    this.#counts = { seatLimit, overdraft, inUse: 0, reserved, reservedUsed: reserved.map(() => 0) };
  }

  get inUse(): number {
    return this.#counts.inUse;
  }
  /** Since when somebody has a seat; undefined: it has none. */
  heldSince({ sessions }: Person): number | undefined {
    const session = sessions[this.#n];
    return session?.state === 'holds' ? session.since : undefined;
  }

  /** Somebody asks for a seat; who has one or waits for it goes on. */
  ask(person: Person, at: number): void {
    if (person.sessions[this.#n] !== undefined) return;
    this.#ticket += 1;
    const session: Session = {
      part: person.part,
      ruled: this.#ruledOf(person.holder),
      size: person.size,
      askedAt: at,
      ticket: this.#ticket,
      day: this.day,
      state: 'waits',
      since: at,
      seat: undefined,
      slot: 0,
      leases: 0,
    };
    person.sessions[this.#n] = session;
    if (this.#try(session, at, this.#ahead(session.ruled.priority))) {
      // seats beyond the limit are there once all others are taken
      if (this.#waits > 0 && this.#terms.overdraft > 0) this.#serve(at);
      return;
    }
    this.day.refused += 1;
    this.#asking.add(session);
    if (!this.#tooMuch) this.#enqueue(session); // more at once than could ever be free waits in vain
  }

  /** Somebody leaves, with a seat or without one. */
  leave(person: Person, at: number): void {
    const session = person.sessions[this.#n];
    if (session === undefined) return;
    person.sessions[this.#n] = undefined;
    const held = session.state === 'holds';
    if (!held) this.#endWait(session, at, false);
    session.state = 'gone';
    if (held) this.#giveBack(session, at);
  }

  /** The day is over: answers what happened on it. */
  endDay(): DayCounts {
    const { day } = this;
    this.day = newDay(this.#counts.inUse);
    return day;
  }

  /** The time is over: those who still wait have waited until now. */
  end(at: number): void {
    for (const session of this.#asking) this.#count(session, at, false);
  }

  #ruledOf(holder: string): Ruled {
    const { rulesOf } = this.#terms;
    if (rulesOf === undefined) return unruled;
    // what rules look at: base, user and computer
    const key = holder.slice(
      0,
      holder.indexOf(separator, holder.indexOf(separator, holder.indexOf(separator) + 1) + 1),
    );
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const ruled = rulesOf(holder);
    if (this.#known.size >= mostKnown) this.#known.clear();
    this.#known.set(key, ruled);
    return ruled;
  }

  /** What those ask for who wait and come before one of this priority that comes now. */
  #ahead(priority: number): number {
    if (this.#waits === 0) return 0;
    let n = 0;
    for (const [p, count] of this.#waiting) if (p >= priority) n += count;
    return n;
  }

  /** Whether the ledger's rules give it a seat now. */
  #try(session: Session, at: number, ahead: number): boolean {
    const { part, ruled } = session;
    const shared = this.#terms.countBy === 'session' ? undefined : this.#seats.get(part);
    const { caps } = ruled;
    const decided = admission(this.#counts, {
      slot: ruled.slot,
      size: session.size,
      ahead,
      shared: shared?.slot,
      caps:
        caps.length === 0
          ? (caps as readonly never[])
          : caps.map(({ most, tally }) => ({ most, used: this.#tallies.get(tally) ?? 0 })),
    });
    this.#tooMuch = decided.code === 'denied' && decided.tooMuch;
    if (decided.code !== 'granted') return false;
    session.state = 'holds';
    session.since = at;
    if (shared !== undefined) {
      shared.leases += 1;
      session.seat = shared;
      return true;
    }
    const { size } = session;
    session.seat = session;
    session.slot = decided.slot;
    session.leases = 1;
    if (this.#terms.countBy !== 'session') this.#seats.set(part, session);
    for (const { tally } of caps) this.#tallies.set(tally, (this.#tallies.get(tally) ?? 0) + size);
    const counts = this.#counts;
    counts.inUse += size;
    if (decided.slot > 0) counts.reservedUsed[decided.slot - 1] = (counts.reservedUsed[decided.slot - 1] ?? 0) + size;
    if (counts.inUse > this.day.peak) this.day.peak = counts.inUse;
    this.#shareWith(part, at);
    return true;
  }

  /** Those who wait and would share a seat that has just been taken have it too. */
  #shareWith(part: string, at: number): void {
    const others = this.#parts.get(part);
    if (others === undefined) return;
    this.#parts.delete(part);
    for (const other of others) {
      if (other.state !== 'waits') continue;
      if (this.#try(other, at, 0)) this.#endWait(other, at, true);
    }
  }

  #enqueue(session: Session): void {
    const { part, ruled } = session;
    if (this.#terms.countBy !== 'session') this.#parts.set(part, [...(this.#parts.get(part) ?? []), session]);
    const barring = this.#barring(session);
    if (barring !== undefined) {
      if (barring.most < session.size) return; // no time will change that
      const fifo = this.#bounded.get(barring.tally) ?? new Fifo();
      this.#bounded.set(barring.tally, fifo);
      fifo.push(session);
      return;
    }
    const { priority, slot } = ruled;
    const key = `${priority} ${slot}`;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = { priority, slot, fifo: new Fifo() };
      this.#queues.set(key, queue);
    }
    queue.fifo.push(session);
    this.#waiting.set(priority, (this.#waiting.get(priority) ?? 0) + session.size);
    this.#waits += 1;
    this.#queued.add(session);
  }
  /** Those of the sessions that are counted in `#waiting`. */
  readonly #queued = new Set<Session>();

  #barring({ size, ruled: { caps } }: Session): RuleCap | undefined {
    return caps.find(({ most, tally }) => (this.#tallies.get(tally) ?? 0) + size > most);
  }

  #unqueue(session: Session): void {
    if (!this.#queued.delete(session)) return;
    const { priority } = session.ruled;
    this.#waiting.set(priority, (this.#waiting.get(priority) ?? session.size) - session.size);
    this.#waits -= 1;
  }

  #endWait(session: Session, at: number, served: boolean): void {
    this.#asking.delete(session);
    this.#unqueue(session);
    this.#count(session, at, served);
  }

  #count({ day, askedAt }: Session, at: number, served: boolean): void {
    const waitedMs = Math.max(at - askedAt, 0);
    day.waitedMs += waitedMs;
    if (waitedMs > day.longestMs) day.longestMs = waitedMs;
    if (!served || waitedMs >= unmetMs) day.unmet += 1;
  }

  #giveBack({ part, seat }: Session, at: number): void {
    if (seat === undefined) return;
    seat.leases -= 1;
    if (seat.leases > 0) return;
    if (this.#terms.countBy !== 'session') this.#seats.delete(part);
    const counts = this.#counts;
    const { size } = seat;
    counts.inUse -= size;
    if (seat.slot > 0) counts.reservedUsed[seat.slot - 1] = (counts.reservedUsed[seat.slot - 1] ?? size) - size;
    for (const { tally } of seat.ruled.caps) {
      this.#tallies.set(tally, (this.#tallies.get(tally) ?? size) - size);
      const first = this.#bounded.get(tally)?.head(waits);
      if (first === undefined) continue;
      this.#bounded.get(tally)?.shift();
      if (this.#try(first, at, this.#ahead(first.ruled.priority))) this.#endWait(first, at, true);
      else this.#enqueue(first);
    }
    if (this.#waits > 0) this.#serve(at);
  }

  /** Seats have come free: those who wait have them, in their order. */
  #serve(at: number): void {
    for (;;) {
      const heads = this.#heads();
      const best = heads.at(0);
      if (best === undefined) return;
      if (this.#try(best, at, 0)) {
        this.#endWait(best, at, true);
        continue;
      }
      if (this.#barring(best) !== undefined) {
        this.#unqueue(best); // meanwhile a rule is in its way
        this.#enqueue(best);
        continue;
      }
      if (!this.#serveReserved(heads.slice(1), at)) return;
    }
  }

  /** Who is first in each queue, in the order in which they have a seat: by priority, then by who asked first. */
  #heads(): readonly Session[] {
    const heads: Session[] = [];
    for (const { fifo } of this.#queues.values()) {
      const head = fifo.head((s) => this.#queued.has(s));
      if (head !== undefined) heads.push(head);
    }
    return heads.length < 2 ? heads : heads.sort((a, b) => b.ruled.priority - a.ruled.priority || a.ticket - b.ticket);
  }

  /** No general seat is free; one that is kept for somebody may be. */
  #serveReserved(others: readonly Session[], at: number): boolean {
    const served = others.find((s) => s.ruled.slot !== 0 && this.#try(s, at, Number.POSITIVE_INFINITY));
    if (served !== undefined) this.#endWait(served, at, true);
    return served !== undefined;
  }
}
