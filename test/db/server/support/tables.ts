import type pg from 'pg';

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
