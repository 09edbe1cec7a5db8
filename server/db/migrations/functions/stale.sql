-- Stale seats.

-- of builds before, with other answers
DROP FUNCTION IF EXISTS clear_stale(interval, text, text, timestamptz);
DROP FUNCTION IF EXISTS stale_leases(interval, timestamptz);
DROP FUNCTION IF EXISTS silent_bases(interval, timestamptz);

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
