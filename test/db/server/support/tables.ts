import type pg from 'pg';
import { expect } from 'vitest';

/** Rows of a table, with a condition if one follows its name. */
export const count = async (sql: pg.Client, what: string): Promise<number> =>
  (await sql.query(`SELECT count(*)::int AS n FROM ${what}`)).rows[0].n;

/** Pages that a statement looked at: what it costs, whatever else this machine does. */
export async function pagesOf(sql: pg.Client, query: string): Promise<number> {
  await sql.query('BEGIN');
  await sql.query(query); // its plan and the catalogue are known from now on
  await sql.query('ROLLBACK; BEGIN');
  try {
    const { rows } = await sql.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${query}`);
    const plan = rows[0]['QUERY PLAN'][0].Plan;
    return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  } finally {
    await sql.query('ROLLBACK');
  }
}

/**
 * Vacuums tables until each of their pages is known to be visible to all: a session that just begins anywhere on the server may still
 * hold that up, and what a query reads would depend on it.
 */
export async function vacuum(sql: pg.Client, ...tables: readonly string[]): Promise<void> {
  const isDone = async () => {
    await sql.query(`VACUUM ANALYZE ${tables.join(', ')}`);
    const { rows } = await sql.query<{ done: boolean }>(
      'SELECT bool_and(relallvisible >= relpages) AS done FROM pg_class WHERE oid = ANY($1::regclass[])',
      [tables],
    );
    return rows[0]?.done;
  };
  await expect.poll(isDone).toBe(true);
}
