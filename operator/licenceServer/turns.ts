import type { Clock } from '../../runtime/clock.ts';
import { failedOf, fleetOf, nextOf } from './decide/fleet.ts';
import type { Plan } from './decide/plan.ts';
import type { Fleet } from './observe/observed.ts';
import { type Rolling, rollingIn } from './observe/rolling.ts';
import type { Stores } from './observe/stores.ts';

export interface TurnsOptions {
  readonly stores: Pick<Stores, 'deployments' | 'licenceServers'>;
  /** Whether changes in a namespace are heard of. */
  readonly isHeard: (namespace: string) => boolean;
  readonly clock: Pick<Clock, 'now'>;
  readonly maxRollouts: number;
  /** Brings another pass of a server that waited. */
  readonly enqueue: (key: string) => void;
}

/**
 * Whose turn it is to roll by the operator's own decision. Who rolls is read from the stores; kept here is only what they do
 * not show yet: the passes that have just decided to, and the servers that are to be told when a place is free.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** Decided in a pass that has not ended: the stores show it then. */
  readonly #deciding = new Set<string>();
  /** In the order of their asking. */
  readonly #waiting = new Set<string>();
  /** Waited, and were told that there is a place; their pass is still to come. */
  readonly #told = new Set<string>();
  /** The failed server that those who wait know of. */
  #toldFailed: string | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Whether `key` may roll. To be asked, and its answer acted on, without a wait between. */
  fleet(key: string): Fleet {
    return fleetOf(key, this.#rolling(), this.#options.maxRollouts);
  }

  /** What a pass decided. */
  note(key: string, { countsInFleet, waitsForFleet }: Pick<Plan, 'countsInFleet' | 'waitsForFleet'>): void {
    if (countsInFleet) this.#deciding.add(key);
    if (!waitsForFleet) this.#waiting.delete(key);
    else {
      if (this.#waiting.size === 0) this.#toldFailed = failedOf(this.#rolling());
      this.#waiting.add(key);
    }
  }

  /** The pass has ended, however it did. */
  end(key: string): void {
    const hadPlace = this.#deciding.delete(key);
    if (this.#told.delete(key) || hadPlace) this.look();
  }

  forget(key: string): void {
    for (const set of [this.#waiting, this.#told, this.#deciding]) set.delete(key);
    this.look();
  }

  /**
   * To be called after each change of what the stores show. Tells as many of those that wait as there are places; the others
   * hear of the next one. What stops the whole fleet, and its end, all hear of: it is what their status gives as the reason.
   */
  look(): void {
    if (this.#waiting.size === 0) return;
    const rolling = this.#rolling();
    const failed = failedOf(rolling);
    const isNews = failed !== this.#toldFailed;
    this.#toldFailed = failed;
    const promised = [...this.#told].map((key) => ({ key, failed: false }));
    for (const key of isNews
      ? [...this.#waiting]
      : nextOf(this.#waiting, [...rolling, ...promised], this.#options.maxRollouts)) {
      this.#waiting.delete(key);
      this.#told.add(key);
      this.#options.enqueue(key);
    }
  }

  #rolling(): Rolling[] {
    const { stores, clock, isHeard } = this.#options;
    const seen = rollingIn(stores, clock.now(), isHeard);
    const unseen = [...this.#deciding].filter((key) => !seen.some((rolling) => rolling.key === key));
    return [...seen, ...unseen.map((key) => ({ key, failed: false }))];
  }
}
