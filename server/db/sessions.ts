import pg from 'pg';
import type { Sessions } from '../seats/lane.ts';

/** A few long-lived connections with the same settings, for the lanes: each waits its turn when all are in use. */
export class DatabaseSessions implements Sessions<pg.Client> {
  readonly #connection: pg.ClientConfig;
  readonly #setup: string;
  readonly #most: number;
  readonly #free: pg.Client[] = [];
  readonly #waiting: { resolve(client: pg.Client): void; reject(error: unknown): void }[] = [];
  readonly #dead = new WeakSet<pg.Client>();
  #open = 0;
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
    if (this.#open < this.#most) return this.#connect();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  release(client: pg.Client, broken: boolean): void {
    if (broken || this.#ended || this.#dead.has(client)) {
      this.#drop(client);
      const next = this.#waiting.shift();
      if (next) this.#connect().then(next.resolve, next.reject);
      return;
    }
    const next = this.#waiting.shift();
    if (next) next.resolve(client);
    else this.#free.push(client);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#free.splice(0).map((client) => client.end().catch(() => {})));
  }

  async #connect(): Promise<pg.Client> {
    this.#open += 1;
    const client = new pg.Client({ keepAlive: true, connectionTimeoutMillis: 5_000, ...this.#connection });
    client.on('error', () => {
      this.#dead.add(client);
      const at = this.#free.indexOf(client); // one in use is told by its query
      if (at >= 0) {
        this.#free.splice(at, 1);
        this.#drop(client);
      }
    });
    try {
      await client.connect();
      await client.query(this.#setup);
      return client;
    } catch (error) {
      this.#drop(client);
      throw error;
    }
  }

  #drop(client: pg.Client): void {
    this.#open -= 1;
    client.end().catch(() => {});
  }
}
