import type pg from 'pg';
import { sessionSetup } from '../runtime/database/session.ts';

export type Client = pg.ClientBase;

/** Runs `work` in a transaction: one of its own, or the one that is under way. */
export type Transact = <T>(work: (client: Client) => Promise<T>) => Promise<T>;

/** The table by which the authority's schema is known. */
export const ledger = 'licence';
export const poolSetup = sessionSetup({ ledger, statementMs: 10_000, lockMs: 8_000 });

/** The database's time in ms: one clock for all replicas. */
export async function databaseTime(client: Client): Promise<number> {
  const { rows } = await client.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const [row] = rows;
  if (row === undefined) throw new Error('the database did not say the time');
  return row.now.getTime();
}
