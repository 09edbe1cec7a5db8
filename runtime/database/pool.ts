import pg from 'pg';
import { StoreUnavailable, sorted } from './fault.ts';
import { type DatabaseConfig, Session, setUp } from './session.ts';

/** Longer than the statement time-out of any session that is asked for an answer: only a connection gone silent is cut off by it. */
export const answerTimeoutMs = 12_000;
/** No connection is used for longer, so that none stays for good on a node to which the address leads no more. */
const lifetimeSeconds = 30;

/** The same call, whose promise fails with sorted errors; what is called back is left alone. */
const sorting = <F extends (...args: never[]) => unknown>(call: F): F =>
  ((...args: Parameters<F>) => {
    const answer = call(...args);
    if (!(answer instanceof Promise)) return answer;
    return answer.catch((error) => {
      throw sorted(error);
    });
  }) as F;

class PooledSession extends Session {
  constructor(config?: DatabaseConfig) {
    super(config);
    // of one in use: what it is asked next tells it; without this, a connection that ends between two statements ends the program
    this.on('error', () => {});
    this.query = sorting(this.query.bind(this) as pg.Client['query']);
  }
}

/**
 * Connections for all that is not on the hot path. Each has set what it relies on before it is handed out, leads to a node that
 * can be written to, and lives for half a minute. Whatever fails, except by a fault of the command, fails as `StoreUnavailable`.
 */
export class DatabasePool extends pg.Pool {
  constructor(config: DatabaseConfig, setup: string, max: number) {
    super({
      keepAlive: true,
      connectionTimeoutMillis: 5_000,
      query_timeout: answerTimeoutMs,
      maxLifetimeSeconds: lifetimeSeconds,
      ...config,
      max,
      Client: PooledSession,
      onConnect: async (client: pg.ClientBase) => {
        await setUp(client, setup);
      },
    });
    this.on('error', () => {}); // an idle one was lost: the next query takes another
    this.connect = sorting(this.connect.bind(this) as pg.Pool['connect']);
    this.query = sorting(this.query.bind(this) as pg.Pool['query']);
  }

  /** Runs work in one transaction; it is undone if the work throws. @throws what the work throws, or StoreUnavailable */
  async transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.connect();
    let broken = false;
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      broken = error instanceof StoreUnavailable;
      if (!broken) {
        await client.query('ROLLBACK').catch(() => {
          broken = true;
        });
      }
      throw error;
    } finally {
      client.release(broken);
    }
  }
}
