import pg from 'pg';

/** What is wrong in a ledger whose seats are ruled, in one snapshot, and which leases there are. */
export interface RuledView {
  readonly wrong: readonly string[];
  readonly leaseIds: ReadonlySet<string>;
  readonly inUse: number;
}

/**
 * Looks past the server: every counter against the rows that it counts, every bound against its counter, and what each person has against the bound of one
 * person, told from the leases alone.
 * @param most seats of each rule, by its name; of a rule for each user, those of one
 * @param kept seats that are reserved
 */
export async function lookAtRules(
  connection: pg.ClientConfig,
  { most, kept, each }: { most: Readonly<Record<string, number>>; kept: number; each: number },
): Promise<RuledView> {
  const client = new pg.Client(connection);
  client.on('error', () => {}); // told by the rejected query
  await client.connect();
  try {
    const { rows } = await client.query<{ what: string; n: string; m: string; ids: string[] }>(snapshot);
    const of = (what: string) => rows.filter((row) => row.what === what);
    const wrong: string[] = [];
    for (const { n, m } of of('seats')) if (n !== m) wrong.push(`${n} seats in use, counted as ${m}`);
    for (const { n, m } of of('limit'))
      if (Number(n) > Number(m)) wrong.push(`${n} seats in use of ${m} with the overdraft`);
    for (const { n, m } of of('general'))
      if (Number(n) > Number(m) - kept) wrong.push(`${n} general seats of ${Number(m) - kept}`);
    for (const { n, m } of of('leases')) if (n !== m) wrong.push(`${m} leases, and seats say ${n}`);
    for (const { n, m } of of('reserved')) if (n !== m) wrong.push(`${n} reserved seats in use, counted as ${m}`);
    for (const row of rows.filter((r) => r.what.startsWith('tally '))) {
      const key = row.what.slice('tally '.length);
      if (row.n !== row.m) wrong.push(`${row.n} seats of ${key}, counted as ${row.m}`);
      const bound = most[key.split('\u001f')[0] ?? ''];
      if (bound === undefined || Number(row.n) > bound)
        wrong.push(`${row.n} seats of ${key}, of which there may be ${bound}`);
    }
    for (const row of rows.filter((r) => r.what.startsWith('user ')))
      if (Number(row.n) > each) wrong.push(`${row.what} has ${row.n} seats of ${each}`);
    return { wrong, leaseIds: new Set(of('ids')[0]?.ids ?? []), inUse: Number(of('seats')[0]?.n ?? 0) };
  } finally {
    await client.end();
  }
}

const snapshot = `WITH p AS (SELECT * FROM pool WHERE product = 'erp'),
  l AS (SELECT x.lease_id, x.holder, part_of(x.holder, p.count_by) AS part, size_of(x.holder, p.weights) AS size FROM lease x JOIN p USING (pool_id)),
  s AS (SELECT z.*, (SELECT min(l.size) FROM l WHERE l.part = z.part) AS size FROM seat z JOIN p USING (pool_id))
  SELECT 'seats' AS what, coalesce((SELECT sum(size) FROM s), 0)::text AS n, p.in_use::text AS m, NULL::text[] AS ids FROM p
  UNION ALL SELECT 'limit', p.in_use::text, (p.seat_limit + p.overdraft)::text, NULL FROM p
  UNION ALL SELECT 'general', coalesce((SELECT sum(size) FROM s WHERE slot = 0), 0)::text, (p.seat_limit + p.overdraft)::text, NULL FROM p
  UNION ALL SELECT 'reserved', coalesce((SELECT sum(size) FROM s WHERE slot = 1), 0)::text, p.reserved_used[1]::text, NULL FROM p
  UNION ALL SELECT 'leases', coalesce((SELECT sum(leases) FROM s), 0)::text, (SELECT count(*) FROM l)::text, NULL FROM p
  UNION ALL SELECT 'tally ' || coalesce(k.key, t.key), coalesce(k.n, 0)::text, coalesce(t.used, 0)::text, NULL
    FROM (SELECT key, sum(s.size) AS n FROM s, unnest(string_to_array(s.tallies, chr(30))) key GROUP BY key) k
    FULL JOIN (SELECT t.key, t.used FROM tally t JOIN p USING (pool_id)) t ON t.key = k.key
  UNION ALL SELECT 'user ' || x.who, sum(x.size)::text, '', NULL FROM (SELECT DISTINCT split_part(holder, chr(31), 2) AS who, part, size FROM l) x GROUP BY x.who
  UNION ALL SELECT 'ids', '', '', coalesce(array_agg(lease_id::text), '{}') FROM l`;
