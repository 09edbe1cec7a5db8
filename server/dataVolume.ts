import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { Logger } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';

/** Room on a file system, in bytes. */
export interface Room {
  readonly freeBytes: number;
  readonly sizeBytes: number;
}

const gib = 2 ** 30;
const lookEveryMs = 10_000;

/** The room of a file system, as far as this user may take it. */
export const roomOf = ({ bavail, blocks, bsize }: StatsFs): Room => ({
  freeBytes: bavail * bsize,
  sizeBytes: blocks * bsize,
});

/** Less than a tenth is free, and less than 1 GiB: a tenth of a large disk is plenty. The alert LicenceVolumeNearlyFull says the same. */
export const isNearlyFull = ({ freeBytes, sizeBytes }: Room): boolean => freeBytes < Math.min(sizeBytes / 10, gib);

/** Watches the room that the data directory has, so that somebody hears of it before nothing can be stored any more. */
export class DataVolume {
  readonly #dir: string;
  readonly #log: Logger;
  readonly #look: (dir: string) => Promise<Room>;
  readonly #free;
  readonly #size;
  #timer: NodeJS.Timeout | undefined;
  #nearlyFull = false;

  constructor(dir: string, log: Logger, metrics: Metrics, look = async (at: string) => roomOf(await statfs(at))) {
    this.#dir = dir;
    this.#log = log;
    this.#look = look;
    this.#free = metrics.gauge('licence_data_volume_free_bytes', "Free room on the data directory's volume.");
    this.#size = metrics.gauge('licence_data_volume_size_bytes', "Size of the data directory's volume.");
  }

  /** Looks for the first time, and from then on every 10 s; a volume that does not answer is waited for. */
  async start(): Promise<void> {
    await this.#lookOnce();
    this.#timer = setTimeout(() => void this.start(), lookEveryMs).unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** What a person should do something about, in one sentence that says the same as long as it lasts. */
  trouble(): string | undefined {
    if (!this.#nearlyFull) return undefined;
    return `the volume of ${this.#dir} is nearly full; make it larger (spec.storage.size of a LicenceServer), or nothing can be stored soon`;
  }

  async #lookOnce(): Promise<void> {
    try {
      const room = await this.#look(this.#dir);
      this.#free.set(room.freeBytes);
      this.#size.set(room.sizeBytes);
      const was = this.#nearlyFull;
      this.#nearlyFull = isNearlyFull(room);
      if (this.#nearlyFull && !was) this.#log.warn({ ...room, dir: this.#dir }, 'the data volume is nearly full');
      if (!this.#nearlyFull && was) this.#log.info({ ...room, dir: this.#dir }, 'the data volume has room again');
    } catch (error) {
      this.#log.warn({ err: error, dir: this.#dir }, 'the room on the data volume is not known');
    }
  }
}
