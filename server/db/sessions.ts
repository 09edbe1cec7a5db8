import pg from 'pg';
import type { Sessions } from '../seats/lane.ts';

/** Longer than the statement time-out of the database: only a connection that has gone silent is cut off by it. */
export const answerTimeoutMs = 12_000;
/** After a refusal nobody is asked again so soon: all who want a session meanwhile are told the same. */
const pauseMs = 100;

/**
 * A few long-lived connections with the same settings, for the lanes: each waits its turn when all are in use. When the
 * database is not to be had, nobody waits: with the last connection gone, a refused attempt is the answer to all.
 */
export class DatabaseSessions implements Sessions<pg.Client> {
  readonly #connection: pg.ClientConfig;
  readonly #setup: string;
  readonly #most: number;
  readonly #free: pg.Client[] = [];
  readonly #dead = new WeakSet<pg.Client>();
  #waiting: { resolve(client: pg.Client): void; reject(error: unknown): void }[] = [];
  /** Connected, free or in use. */
  #live = 0;
  #connecting = 0;
  #refused: { readonly error: unknown; readonly untilMs: number } | undefined;
  #ended = false;

  constructor(connection: pg.ClientConfig, setup: string, most: number) {
    this.#connection = connection;
    this.#setup = setup;
    this.#most = most;
  }

  /** @throws the driver's error when there is no connection to be had. */
  acquire(): Promise<pg.Client> {
    const free = this.#free.pop();
    if (free) return Promise.resolve(free);
    if (this.#ended) return Promise.reject(new Error('the connections to the database are closed'));
    const refused =
      this.#refused !== undefined && performance.now() < this.#refused.untilMs ? this.#refused : undefined;
    if (refused && this.#live + this.#connecting === 0) return Promise.reject(refused.error);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (refused === undefined) this.#connectOne();
    });
  }

  release(client: pg.Client, broken: boolean): void {
    if (broken || this.#ended || this.#dead.has(client)) this.#lose(client);
    else this.#hand(client);
  }

  async end(): Promise<void> {
    this.#ended = true;
    this.#refuse(new Error('the connections to the database are closed'));
    await Promise.all(this.#free.splice(0).map((client) => client.end().catch(() => {})));
  }

  #hand(client: pg.Client): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(client);
    else this.#free.push(client);
  }

  /** A connection more for those who wait, if there may be one. */
  #connectOne(): void {
    if (this.#live + this.#connecting >= this.#most || this.#waiting.length <= this.#connecting) return;
    this.#connecting += 1;
    this.#connect().then(
      (client) => {
        this.#connecting -= 1;
        this.#live += 1;
        this.#refused = undefined;
        if (this.#ended || this.#dead.has(client)) this.#lose(client);
        else this.#hand(client);
      },
      (error) => {
        this.#connecting -= 1;
        this.#refused = { error, untilMs: performance.now() + pauseMs };
        // while others are in use, one of them will come free: a database at its connection limit still serves
        if (this.#live + this.#connecting === 0) this.#refuse(error);
      },
    );
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: answerTimeoutMs,
      ...this.#connection,
    });
    client.on('error', () => {
      this.#dead.add(client);
      const at = this.#free.indexOf(client); // one in use is told by its query
      if (at >= 0) {
        this.#free.splice(at, 1);
        this.#lose(client);
      }
    });
    try {
      await client.connect();
      await client.query(this.#setup);
      return client;
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
  }

  #lose(client: pg.Client): void {
    this.#live -= 1;
    client.end().catch(() => {});
    if (!this.#ended) this.#connectOne();
  }

  #refuse(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.reject(error);
  }
}
