import { type DayCounts, newPerson, type Person, type Terms, World } from './world.ts';

/** Somebody who asked in vain for a time. Times in ms. */
export interface Demand {
  readonly holder: string;
  readonly at: number;
  /** When it asked last. */
  readonly until: number;
  /** It had a seat in the end: its grant is among the events. */
  readonly served: boolean;
}

export interface Side {
  readonly refused: number;
  readonly unmet: number;
  readonly peak: number;
  readonly waitedSeconds: number;
  readonly longestWaitSeconds: number;
}
export interface PlayedDay {
  /** In UTC. */
  readonly day: string;
  readonly today: Side;
  readonly other: Side;
}
export interface Played {
  readonly days: readonly PlayedDay[];
  readonly today: Side;
  readonly other: Side;
  /** Seats with which nobody would have had to wait for one, by the other rules. */
  readonly needed: number;
  readonly events: number;
}

const dayMs = 86_400_000;
/** Of so many who have left it is kept who they are. */
const mostAway = 20_000;
/** How long a session is of which nobody knows, while none has ended yet. */
const firstGuessMs = 3_600_000;

interface End {
  readonly at: number;
  readonly person: Person;
  /** The world that it is about; -1: all. */
  readonly world: number;
}

/** The next end first. */
class Ends {
  readonly #heap: End[] = [];

  get next(): End | undefined {
    return this.#heap[0];
  }
  push(end: End): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(end);
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || parent.at <= end.at) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = end;
  }
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (a === undefined) break;
      const [child, at] = b !== undefined && b.at < a.at ? [b, left + 1] : [a, left];
      if (child.at >= last.at) break;
      heap[i] = child;
      i = at;
    }
    heap[i] = last;
  }
}

/**
 * Plays what was recorded under today's rules and under other ones, and without a limit. Everybody comes and leaves as recorded; who was refused in vain
 * leaves when it asked last, or, where it has got a seat, after as long as the sessions before lasted on average.
 */
export class Play {
  /** By today's rules, by the other ones, and by these without a limit. */
  readonly #worlds: readonly [World, World, World];
  readonly #demands: readonly Demand[];
  #next = 0;
  readonly #ends = new Ends();
  /** By the holder; most of those who leave come again. */
  readonly #people = new Map<string, Person>();
  #mostPeople = mostAway;
  /** Both sides have the same licence: what is one seat, and how many a person asks for. */
  readonly #licence: Pick<Terms, 'countBy' | 'weights'>;
  #dayEnd: number;
  readonly #from: number;
  readonly #days: (readonly [DayCounts, DayCounts])[] = [];
  #needed = 0;
  #ended = 0;
  #endedMs = 0;
  #events = 0;

  /** @param fromMs when a day begins */
  constructor(fromMs: number, today: Terms, other: Terms, demands: readonly Demand[]) {
    this.#from = fromMs;
    this.#dayEnd = fromMs + dayMs;
    this.#demands = demands.toSorted((a, b) => a.at - b.at);
    this.#licence = other;
    this.#worlds = [
      new World(today, 0),
      new World(other, 1),
      new World({ ...other, seatLimit: Number.POSITIVE_INFINITY, reserved: [] }, 2),
    ];
  }

  /** A holder that had a seat when the time began. */
  seed(holder: string): void {
    const person = this.#person(holder);
    for (const world of this.#worlds) world.ask(person, this.#from);
  }

  came(holder: string, at: number): void {
    this.#events += 1;
    this.#advance(at);
    const person = this.#person(holder);
    person.imagined = false;
    for (const world of this.#worlds) world.ask(person, at);
  }

  left(holder: string, at: number): void {
    this.#events += 1;
    this.#advance(at);
    const person = this.#people.get(holder);
    if (person === undefined) return;
    const since = this.#worlds[2].heldSince(person);
    if (since !== undefined) {
      this.#ended += 1;
      this.#endedMs += at - since;
    }
    person.imagined = false;
    for (const world of this.#worlds) world.leave(person, at);
  }

  #person(holder: string): Person {
    const known = this.#people.get(holder);
    if (known !== undefined) return known;
    // a piece of a text keeps the whole text in the memory, as long as it is kept itself
    const own = ` ${holder}`.slice(1);
    const person = newPerson(own, this.#licence);
    this.#people.set(own, person);
    if (this.#people.size > this.#mostPeople) this.#forget(person);
    return person;
  }

  /** Forgets those who are not there, but for one who is just coming. */
  #forget(coming: Person): void {
    for (const [holder, person] of this.#people) if (person !== coming && !isThere(person)) this.#people.delete(holder);
    this.#mostPeople = this.#people.size + mostAway;
  }

  finish(toMs: number): Played {
    this.#advance(toMs);
    for (const world of this.#worlds) world.end(toMs);
    if (this.#dayEnd - dayMs < toMs) this.#closeDay();
    const days = this.#days.map(([today, other], n) => ({
      day: new Date(this.#from + n * dayMs).toISOString().slice(0, 10),
      today: sideOf(today),
      other: sideOf(other),
    }));
    return {
      days,
      today: totalOf(days.map((d) => d.today)),
      other: totalOf(days.map((d) => d.other)),
      needed: this.#needed,
      events: this.#events,
    };
  }

  #closeDay(): void {
    const [today, other, without] = this.#worlds;
    this.#days.push([today.endDay(), other.endDay()]);
    this.#needed = Math.max(this.#needed, without.endDay().peak);
    this.#dayEnd += dayMs;
  }

  /** All that comes before a moment, in its order. */
  #advance(at: number): void {
    for (;;) {
      const demand = this.#demands[this.#next];
      const end = this.#ends.next;
      const first = Math.min(demand?.at ?? Infinity, end?.at ?? Infinity, this.#dayEnd);
      if (first > at) return;
      if (first === this.#dayEnd) this.#closeDay();
      else if (end?.at === first) this.#end(end);
      else if (demand !== undefined) this.#demand(demand);
    }
  }

  #demand({ holder, at, until, served }: Demand): void {
    this.#next += 1;
    const person = this.#person(holder);
    const isHere = this.#worlds[2].heldSince(person) !== undefined;
    for (const world of this.#worlds) world.ask(person, at);
    if (served || isHere) return;
    person.imagined = true;
    this.#ends.push({ at: Math.max(until, at), person, world: -1 });
  }

  #end({ at, person, world: n }: End): void {
    this.#ends.pop();
    if (!person.imagined) return;
    const usualMs = this.#ended === 0 ? firstGuessMs : this.#endedMs / this.#ended;
    this.#worlds.forEach((world, i) => {
      if (n !== -1 && n !== i) return;
      const since = world.heldSince(person);
      if (n === -1 && since !== undefined && since + usualMs > at)
        this.#ends.push({ at: since + usualMs, person, world: i });
      else world.leave(person, at);
    });
    if (!isThere(person)) person.imagined = false; // ends of it that are still to come are those of nobody
  }
}

/** In one world at least. */
const isThere = ({ sessions }: Person): boolean => sessions.some((session) => session !== undefined);
const seconds = (ms: number): number => Math.round(ms / 1_000);
const sideOf = (d: DayCounts): Side => ({
  refused: d.refused,
  unmet: d.unmet,
  peak: d.peak,
  waitedSeconds: seconds(d.waitedMs),
  longestWaitSeconds: seconds(d.longestMs),
});
const totalOf = (sides: readonly Side[]): Side =>
  sides.reduce(
    (sum, s) => ({
      refused: sum.refused + s.refused,
      unmet: sum.unmet + s.unmet,
      peak: Math.max(sum.peak, s.peak),
      waitedSeconds: sum.waitedSeconds + s.waitedSeconds,
      longestWaitSeconds: Math.max(sum.longestWaitSeconds, s.longestWaitSeconds),
    }),
    { refused: 0, unmet: 0, peak: 0, waitedSeconds: 0, longestWaitSeconds: 0 },
  );
