import type pg from 'pg';
import { answerTimeoutMs } from '../../runtime/database/pool.ts';
import { type DatabaseConfig, Session, setUp } from '../../runtime/database/session.ts';
import type { Sessions } from '../seats/lane.ts';

/** After a refusal nobody is asked again so soon: all who want a session meanwhile are told the same. */
const pauseMs = 100;
/** So often one session is replaced by a new one, which shows where the address leads now. */
const renewEveryMs = 15_000;

interface Live {
  /** Of which run of which PostgreSQL it is. */
  readonly node: string;
  /** It ends when it comes free. */
  retired: boolean;
}

/**
 * A few long-lived connections with the same settings, for the lanes: each waits its turn when all are in use. When the
 * database is not to be had, nobody waits: with the last connection gone, a refused attempt is the answer to all.
 *
 * Connections stay where they are when an address begins to lead elsewhere. So one of them is renewed every now and then, and when
 * the new one has come to another node, all others are given up.
 */
export class DatabaseSessions implements Sessions<pg.Client> {
  readonly #config: DatabaseConfig;
  readonly #setup: string;
  readonly #most: number;
  readonly #free: pg.Client[] = [];
  readonly #dead = new WeakSet<pg.Client>();
  /** Connected, free or in use, the oldest first. */
  readonly #live = new Map<pg.Client, Live>();
  readonly #renewal: NodeJS.Timeout;
  #waiting: { resolve(client: pg.Client): void; reject(error: unknown): void }[] = [];
  #connecting = 0;
  #refused: { readonly error: unknown; readonly untilMs: number } | undefined;
  #ended = false;

  constructor(config: DatabaseConfig, setup: string, most: number, renewMs = renewEveryMs) {
    this.#config = config;
    this.#setup = setup;
    this.#most = most;
    this.#renewal = setInterval(() => this.#renew(), renewMs);
    this.#renewal.unref();
  }

  /** @throws the driver's error when there is no connection to be had. */
  acquire(): Promise<pg.Client> {
    const free = this.#free.pop();
    if (free) return Promise.resolve(free);
    if (this.#ended) return Promise.reject(new Error('the connections to the database are closed'));
    const refused =
      this.#refused !== undefined && performance.now() < this.#refused.untilMs ? this.#refused : undefined;
    if (refused && this.#live.size + this.#connecting === 0) return Promise.reject(refused.error);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (refused === undefined) this.#connectForWaiting();
    });
  }

  release(client: pg.Client, broken: boolean): void {
    const isOver = broken || this.#ended || this.#dead.has(client) || this.#live.get(client)?.retired !== false;
    if (isOver) this.#lose(client);
    else this.#hand(client);
  }

  async end(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#renewal);
    this.#refuse(new Error('the connections to the database are closed'));
    await Promise.all(this.#free.splice(0).map((client) => client.end().catch(() => {})));
  }

  #hand(client: pg.Client): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(client);
    else this.#free.push(client);
  }

  /** A connection more for those who wait, if there may be one. */
  #connectForWaiting(): void {
    if (this.#live.size + this.#connecting < this.#most && this.#waiting.length > this.#connecting) this.#connectOne();
  }

  /** `replaced` goes when the new one is there: until then it may be the only one. */
  #connectOne(replaced?: pg.Client): void {
    this.#connecting += 1;
    this.#connect().then(
      ({ client, node }) => {
        this.#connecting -= 1;
        this.#live.set(client, { node, retired: false });
        this.#refused = undefined;
        for (const [other, { node: its }] of this.#live) if (its !== node || other === replaced) this.#retire(other);
        if (this.#ended || this.#dead.has(client)) this.#lose(client);
        else this.#hand(client);
      },
      (error) => {
        this.#connecting -= 1;
        this.#refused = { error, untilMs: performance.now() + pauseMs };
        // while others are in use, one of them will come free: a database at its connection limit still serves
        if (this.#live.size + this.#connecting === 0) this.#refuse(error);
      },
    );
  }

  /** Where there may be no further connection, the oldest makes room first: the others serve meanwhile. */
  #renew(): void {
    const [oldest] = this.#live.keys();
    if (oldest === undefined || this.#connecting > 0) return;
    if (this.#live.size < this.#most) this.#connectOne(oldest);
    else if (this.#retire(oldest)) this.#connectOne();
  }

  /** Ends a connection now if it is free, else when it comes free; answers whether it is gone. */
  #retire(client: pg.Client): boolean {
    const live = this.#live.get(client);
    if (live === undefined) return true;
    live.retired = true;
    const at = this.#free.indexOf(client);
    if (at < 0) return false;
    this.#free.splice(at, 1);
    this.#lose(client);
    return true;
  }

  async #connect(): Promise<{ client: pg.Client; node: string }> {
    const client = new Session({
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: answerTimeoutMs,
      ...this.#config,
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
      const { node } = await setUp(client, this.#setup);
      return { client, node };
    } catch (error) {
      client.end().catch(() => {});
      throw error;
    }
  }

  #lose(client: pg.Client): void {
    this.#live.delete(client);
    client.end().catch(() => {});
    if (!this.#ended) this.#connectForWaiting();
  }

  #refuse(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) one.reject(error);
  }
}
