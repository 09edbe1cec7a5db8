import type pg from 'pg';

export type Client = pg.ClientBase;

/** Runs `work` in a transaction: one of its own, or the one that is under way. */
export type Transact = <T>(work: (client: Client) => Promise<T>) => Promise<T>;

/** Runs `work` in a transaction; its error rolls everything back. */
export async function transaction<T>(pool: pg.Pool, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** The database's time in ms: one clock for all replicas. */
export async function databaseTime(client: Client): Promise<number> {
  const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const [row] = rows;
  if (row === undefined) throw new Error('the database did not say the time');
  return row.now.getTime();
}
