-- What is counted beside the pools' own counters.

-- of builds before, with other answers
DROP FUNCTION IF EXISTS count_pools(interval);

-- The counts that need a look at more than the pool, of the pools where they have changed: stale seats, and holders who were refused
-- within the last minute for want of a seat and have none (10,000 of all products at most); what is borrowed or written off, idle or lingering; and, of named users, whose
-- the seats are and who has not used one for 30 days. One server at a time.
CREATE OR REPLACE FUNCTION count_pools(p_after interval) RETURNS TABLE (pool_id smallint, stale int, stale_since timestamptz, holders_waiting int, borrowed int, lost int, idle int, lingering int, assigned int, unused int)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE t timestamptz := clock_timestamp();
BEGIN
  IF NOT pg_try_advisory_xact_lock(7227002) THEN RETURN; END IF;
  RETURN QUERY
    WITH s AS MATERIALIZED (SELECT x.pool_id, count(*)::int AS n, silent_from(min(x.last_at), p_after) AS since FROM stale_leases(p_after, t) x GROUP BY x.pool_id),
         w AS MATERIALIZED (SELECT x.product, count(*)::int AS n FROM (
            SELECT d.product FROM denial d WHERE d.open AND d.reason IN ('SeatsExhausted', 'SeatsReserved')
               AND d.last_at > t - interval '1 min' AND d.last_at < t + interval '1 min' ORDER BY d.last_at DESC LIMIT 10000) x GROUP BY x.product)
    SELECT p.pool_id, coalesce(s.n, 0), s.since, coalesce(w.n, 0), coalesce(b.n, 0), coalesce(b.lost, 0), coalesce(i.n, 0), coalesce(g.n, 0), coalesce(a.n, 0), coalesce(a.unused, 0)
      FROM pool p LEFT JOIN s ON s.pool_id = p.pool_id LEFT JOIN w ON w.product = p.product
      LEFT JOIN LATERAL (SELECT sum(size_of(l.holder, p.weights)) FILTER (WHERE l.kind = -1)::int AS n, sum(size_of(l.holder, p.weights)) FILTER (WHERE l.kind = -2)::int AS lost
        FROM lease l WHERE l.pool_id = p.pool_id AND l.kind < 0) b ON p.weights IS NOT NULL
      LEFT JOIN LATERAL (SELECT count(*)::int AS n FROM lease l WHERE l.pool_id = p.pool_id AND l.idle_from <= t) i ON p.lingers
      LEFT JOIN LATERAL (SELECT count(*)::int AS n FROM lease l WHERE l.pool_id = p.pool_id AND l.kind < 0 AND l.kind = -3 /* by the index of those below 0 */) g ON p.lingers
      LEFT JOIN LATERAL (SELECT count(*)::int AS n, count(*) FILTER (WHERE greatest(y.assigned_at, y.used_at) < t - interval '30 days'
          AND NOT EXISTS (SELECT FROM seat z WHERE z.pool_id = p.pool_id AND z.part = y.person))::int AS unused FROM assignment y WHERE y.pool_id = p.pool_id) a ON p.named
     WHERE (p.stale, p.stale_since, p.holders_waiting, p.borrowed, p.lost, p.idle, p.lingering, p.assigned, p.unused)
           IS DISTINCT FROM (coalesce(s.n, 0), s.since, coalesce(w.n, 0), coalesce(b.n, 0), coalesce(b.lost, 0), coalesce(i.n, 0), coalesce(g.n, 0), coalesce(a.n, 0), coalesce(a.unused, 0));
END $$;
