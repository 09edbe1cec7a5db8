import type { KubeObject } from '../../kube/object.ts';
import { type LicenceServer, requests } from '../api/types.ts';
import { type Fleet, viewOfDeployment } from '../observe/observed.ts';

/**
 * How many servers roll now, read from the cluster (told of each change by the stores), so that a new leader knows it as
 * well as the old one did. Rolls that a person asked for are not held back by it; what the operator does by itself (its
 * own upgrade, stale seats) is.
 */
export class RollingServers {
  readonly #rolling = new Set<string>();
  readonly #clearing = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #paused = new Set<string>();
  /** Decided, and about to be seen in the cluster. */
  readonly #held = new Set<string>();
  /** Those that want to roll, in the order of their asking. */
  readonly #waiting = new Set<string>();
  /** The failed server that those who wait know of. */
  #toldStoppedBy: string | undefined;
  readonly #maxRollouts: number;
  readonly #onFree: (key: string) => void;

  /** @param onFree told of those that waited, as soon as a place is free */
  constructor(maxRollouts: number, onFree: (key: string) => void = () => {}) {
    this.#maxRollouts = maxRollouts;
    this.#onFree = onFree;
  }

  /** A server's Deployment as it is now; undefined: it is gone. */
  noteDeployment(key: string, deployment: KubeObject | undefined): void {
    const view = deployment === undefined ? undefined : viewOfDeployment(deployment);
    // A pod that never had a reason to restart is being installed, not rolled.
    const isRolling = view !== undefined && view.restartReason !== undefined && !view.settled;
    put(this.#rolling, key, isRolling);
    put(this.#failed, key, isRolling && view.failure !== undefined);
    this.#wake();
  }

  noteServer(key: string, server: LicenceServer | undefined): void {
    put(this.#clearing, key, server?.status?.staleSeats?.clearing?.by === 'Roll');
    put(this.#paused, key, server?.metadata.annotations?.[requests.pause] !== undefined);
    if (server === undefined) this.#waiting.delete(key);
    this.#wake();
  }

  /**
   * Counts `key` in from the decision to roll until `release`, when the stores show what was written: between two
   * decisions there is no time in which both see the same free place.
   */
  hold(key: string): void {
    this.#held.add(key);
  }

  release(key: string): void {
    if (this.#held.delete(key)) this.#wake();
  }

  /** `key` wants to roll and may not: it is told when it may ask again, or when it waits for something else. */
  wait(key: string): void {
    if (this.#waiting.size === 0) this.#toldStoppedBy = this.failedBeside('');
    this.#waiting.add(key);
  }

  /**
   * Tells as many as there are places; the others hear of the next one. What stops the whole fleet, and its end, all hear
   * of: it is the reason that their status gives for waiting.
   */
  #wake(): void {
    if (this.#waiting.size === 0) return;
    const stoppedBy = this.failedBeside('');
    const isNews = stoppedBy !== this.#toldStoppedBy;
    this.#toldStoppedBy = stoppedBy;
    const places = stoppedBy === undefined ? this.#maxRollouts - this.othersOf('').size : 0;
    const told = [...this.#waiting].slice(0, isNews ? this.#waiting.size : Math.max(0, places));
    for (const key of told) {
      this.#waiting.delete(key);
      this.#onFree(key);
    }
  }

  /** Servers other than `key` that roll, or are about to. */
  othersOf(key: string): ReadonlySet<string> {
    const others = new Set([...this.#rolling, ...this.#clearing, ...this.#held]);
    others.delete(key);
    // Whoever paused a failed one has taken it into their own hands: it holds no place any more.
    for (const other of this.#failed) if (this.#paused.has(other)) others.delete(other);
    return others;
  }

  /** Another server whose roll has failed, and for which the whole fleet waits until a person acts. */
  failedBeside(key: string): string | undefined {
    return [...this.#failed].find((other) => other !== key && !this.#paused.has(other));
  }

  /** Whether one more may roll, as `key` sees it. */
  fleet(key: string): Fleet {
    const failed = this.failedBeside(key);
    if (failed !== undefined) {
      const message = `LicenceServer ${failed} did not come up after its roll; put it right, or pause it, to go on`;
      return { budget: false, message };
    }
    if (this.othersOf(key).size < this.#maxRollouts) return { budget: true, message: '' };
    return { budget: false, message: `no more than ${this.#maxRollouts} servers may roll at a time` };
  }
}

function put(set: Set<string>, key: string, isIn: boolean): void {
  if (isIn) set.add(key);
  else set.delete(key);
}
