-- Stale seats.

-- of builds before, with other answers
DROP FUNCTION IF EXISTS clear_stale(interval, text, text, timestamptz);
DROP FUNCTION IF EXISTS stale_leases(interval, timestamptz);
DROP FUNCTION IF EXISTS silent_bases(interval, timestamptz);
DROP FUNCTION IF EXISTS count_pools(interval);

-- Whose last sign of life is not after this moment was silent for p_after of the time in which there was a server to hear it.
CREATE OR REPLACE FUNCTION silent_before(p_after interval, t timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE o record; v timestamptz := t - p_after;
BEGIN
  FOR o IN SELECT x.began_at, x.ended_at FROM outage x WHERE x.ended_at <= t ORDER BY x.ended_at DESC LOOP
    EXIT WHEN o.ended_at <= v;
    v := v - (o.ended_at - o.began_at);
  END LOOP;
  RETURN v;
END $$;

-- When a base that gave its last sign of life at p_last has been silent for p_after: the same, looked at from the other end.
CREATE OR REPLACE FUNCTION silent_from(p_last timestamptz, p_after interval) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE o record; v timestamptz := p_last + p_after;
BEGIN
  FOR o IN SELECT x.began_at, x.ended_at FROM outage x WHERE x.ended_at > p_last ORDER BY x.began_at LOOP
    EXIT WHEN o.began_at >= v;
    v := v + (o.ended_at - o.began_at);
  END LOOP;
  RETURN v;
END $$;

-- Bases that were silent for p_after: neither a report, nor a check-out, nor any lease renewed. last_at: the last sign of life.
-- p_base: of these only.
CREATE OR REPLACE FUNCTION silent_bases(p_after interval, t timestamptz, p_base text[] DEFAULT NULL) RETURNS TABLE (base text, last_at timestamptz) LANGUAGE sql STABLE AS $$
  SELECT b.base, greatest(b.seen_at, x.renewed_at) FROM (SELECT silent_before(p_after, t) AS at OFFSET 0) s CROSS JOIN base b
   CROSS JOIN LATERAL (SELECT max(l.at) AS renewed_at FROM pool p CROSS JOIN LATERAL (SELECT max(r.renewed_at) AS at FROM lease r
      WHERE r.pool_id = p.pool_id AND r.holder >= b.base || chr(31) AND r.holder < b.base || chr(32)) l) x
   WHERE b.seen_at <= s.at AND x.renewed_at <= s.at AND (p_base IS NULL OR b.base = ANY(p_base))
$$;

-- The stale seats: those that do not expire, of silent bases. Whoever counts, lists or clears them reads this.
CREATE OR REPLACE FUNCTION stale_leases(p_after interval, t timestamptz, p_base text[] DEFAULT NULL)
RETURNS TABLE (pool_id smallint, lease_id uuid, base text, last_at timestamptz) LANGUAGE sql STABLE AS $$
  SELECT p.pool_id, l.lease_id, s.base, s.last_at FROM silent_bases(p_after, t, p_base) s CROSS JOIN pool p
   CROSS JOIN LATERAL (SELECT r.lease_id FROM lease r WHERE r.pool_id = p.pool_id AND r.kind > 0
      AND r.holder >= s.base || chr(31) AND r.holder < s.base || chr(32) OFFSET 0) l
$$;

-- Gives back stale seats of one pool, p_most at most, with the event code R or A. n_stale: how many there were; as many as p_most: call again.
CREATE OR REPLACE FUNCTION clear_stale(p_pool smallint, p_after interval, p_code text, p_most int, p_now timestamptz, OUT n_stale int, OUT cleared int)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE v_ids uuid[]; v_bases text[]; b record;
BEGIN
  n_stale := 0; cleared := 0;
  SELECT array_agg(DISTINCT x.base ORDER BY x.base) INTO v_bases FROM (
    SELECT s.base FROM stale_leases(p_after, coalesce(p_now, clock_timestamp())) s WHERE s.pool_id = p_pool LIMIT p_most) x;
  IF v_bases IS NOT NULL THEN
    PERFORM FROM pool p WHERE p.pool_id = p_pool FOR UPDATE;
    -- a base that reports at this moment is locked by its report: wait for it, and look again
    PERFORM FROM base bb WHERE bb.base = ANY(v_bases) ORDER BY bb.base FOR UPDATE;
    SELECT array_agg(x.lease_id) INTO v_ids FROM (
      SELECT s.lease_id FROM stale_leases(p_after, coalesce(p_now, clock_timestamp()), v_bases) s WHERE s.pool_id = p_pool LIMIT p_most) x;
    n_stale := coalesce(cardinality(v_ids), 0);
  END IF;
  IF n_stale > 0 THEN
    SELECT * INTO b FROM seat_batch(p_pool, 1000, '{}', '{}', '{}', NULL, NULL, NULL, v_ids, array_fill(p_code, ARRAY[n_stale]), false, p_now);
    cleared := length(replace(b.r_codes, 'N', ''));
  END IF;
  UPDATE pool p SET stale = CASE WHEN n_stale = p_most THEN greatest(p.stale - cleared, 0) ELSE 0 END,
         stale_since = CASE WHEN n_stale = p_most THEN p.stale_since END
   WHERE p.pool_id = p_pool AND (p.stale > 0 OR p.stale_since IS NOT NULL);
END $$;

-- The counts that need a look at more than the pool, of the pools where they have changed: stale seats, and holders who were refused
-- within the last minute for want of a seat and have none (10,000 of all products at most); and what is borrowed or written off. One server at a time.
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
      LEFT JOIN LATERAL (SELECT count(*)::int AS n FROM lease l WHERE l.pool_id = p.pool_id AND l.kind < 0 AND l.kind = -3) g ON p.lingers
      LEFT JOIN LATERAL (SELECT count(*)::int AS n, count(*) FILTER (WHERE greatest(y.assigned_at, y.used_at) < t - interval '30 days'
          AND NOT EXISTS (SELECT FROM seat z WHERE z.pool_id = p.pool_id AND z.part = y.person))::int AS unused FROM assignment y WHERE y.pool_id = p.pool_id) a ON p.named
     WHERE (p.stale, p.stale_since, p.holders_waiting, p.borrowed, p.lost, p.idle, p.lingering, p.assigned, p.unused)
           IS DISTINCT FROM (coalesce(s.n, 0), s.since, coalesce(w.n, 0), coalesce(b.n, 0), coalesce(b.lost, 0), coalesce(i.n, 0), coalesce(g.n, 0), coalesce(a.n, 0), coalesce(a.unused, 0));
END $$;
