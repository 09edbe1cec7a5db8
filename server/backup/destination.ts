import type { Readable } from 'node:stream';

/** Where archives are put: a folder or a bucket. Opened for one piece of work; what its signal aborts leaves nothing half behind. */
export interface Destination {
  /** For sentences: `/backup`, `bucket licences at https://…`. */
  readonly place: string;
  /** What lies there, by name without the prefix, with sizes in bytes. */
  list(): Promise<readonly { readonly name: string; readonly bytes: number }[]>;
  /**
   * Puts all of it under a name, in the place of what has that name: it appears whole or not at all.
   * @returns bytes
   */
  put(name: string, content: AsyncIterable<Uint8Array>): Promise<number>;
  /** @throws Error when there is none of that name */
  get(name: string): Promise<Readable>;
  /** What is not there is gone already. */
  remove(name: string): Promise<void>;
  /** Removes what this computer's own work left half behind when it was killed. */
  sweep(computer: string): Promise<void>;
  close(): Promise<void>;
}
