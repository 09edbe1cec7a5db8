-- Session reports, silence, clearing, outages. Lock order as in 002.

-- The leases of a base are a range of the key: base, U+001F, … up to base, U+0020.

-- A report that changes nothing, answered without a pool's lock. p_base are distinct and ascending; report n has the next p_len[n]
-- of the holders. changed: S where the report says something new (nothing is done for it), else =.
CREATE FUNCTION report_unchanged(p_base text[], p_len int[], p_pool smallint[], p_holder text[], p_now timestamptz,
  OUT changed text, OUT ids text, OUT o_now_ms bigint) LANGUAGE plpgsql AS $$
DECLARE t timestamptz; n int; lo int := 1; hi int; v_ids text; v_known int; v_held int;
BEGIN
  changed := ''; ids := '';
  -- the lock keeps a clearing of stale seats away from these bases
  PERFORM FROM base b WHERE b.base = ANY(p_base) ORDER BY b.base FOR UPDATE;
  t := coalesce(p_now, clock_timestamp()); o_now_ms := extract(epoch FROM t) * 1000;
  FOR n IN 1 .. cardinality(p_base) LOOP
    hi := lo + p_len[n] - 1;
    SELECT count(*), string_agg(l.lease_id::text, ',' ORDER BY u.o) INTO v_known, v_ids
      FROM unnest(p_pool[lo:hi], p_holder[lo:hi]) WITH ORDINALITY u(p, h, o)
      CROSS JOIN LATERAL (SELECT x.lease_id FROM lease x WHERE x.pool_id = u.p AND x.holder = u.h AND x.kind = 1 OFFSET 0) l; -- OFFSET 0: a look-up each, never a scan
    SELECT count(*) INTO v_held FROM pool p JOIN lease l ON l.pool_id = p.pool_id AND l.kind > 0
       AND l.holder >= p_base[n] || chr(31) AND l.holder < p_base[n] || chr(32);
    IF v_known = p_len[n] AND v_held = p_len[n] THEN
      changed := changed || '='; ids := ids || CASE WHEN v_ids IS NULL THEN '' WHEN ids = '' THEN v_ids ELSE ',' || v_ids END;
    ELSE changed := changed || 'S'; END IF;
    lo := hi + 1;
  END LOOP;
  UPDATE base b SET seen_at = t FROM unnest(p_base, string_to_array(changed, NULL)) u(b, c) WHERE b.base = u.b AND u.c = '=';
END $$;

-- Full state of bases: the absent give their seats back, the present keep theirs or take one. Reports of one call succeed or fail
-- together. A holder with a lease of its own (kind 0) stays leased and is renewed.
-- codes: G, R, D as in seat_batch; U = no such pool (p_pool 0); ids: lease ids of G and R, empty for the others; released: a number a report;
-- pools: pool:released:reaped of each pool where that was not nothing.
CREATE FUNCTION report_batch(p_ttl_ms int, p_base text[], p_len int[], p_pool smallint[], p_holder text[], p_id uuid[], p_slot smallint[], p_now timestamptz,
  OUT codes text, OUT ids text, OUT released text, OUT pools text, OUT o_now_ms bigint) LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz; n int; lo int := 1; hi int; v_pool smallint; v_out smallint[]; i int;
  code text[] := array_fill('U'::text, ARRAY[greatest(cardinality(p_holder), 1)]); lid text[] := array_fill(''::text, ARRAY[greatest(cardinality(p_holder), 1)]);
  gone uuid[]; at_o int[]; h text[]; k smallint[]; x uuid[]; sl smallint[]; b record; rn text[]; v_released int; rel int[] := '{}';
BEGIN
  pools := '';
  PERFORM FROM pool p WHERE p.pool_id = ANY(p_pool) OR EXISTS (
      SELECT FROM unnest(p_base) u(b) JOIN lease l ON l.pool_id = p.pool_id AND l.kind > 0 AND l.holder >= u.b || chr(31) AND l.holder < u.b || chr(32))
    ORDER BY p.pool_id FOR UPDATE;
  t := coalesce(p_now, clock_timestamp()); o_now_ms := extract(epoch FROM t) * 1000;
  FOR n IN 1 .. cardinality(p_base) LOOP
    hi := lo + p_len[n] - 1; v_released := 0;
    FOR v_pool IN SELECT p.pool_id FROM pool p WHERE p.pool_id = ANY(p_pool[lo:hi]) OR EXISTS (
        SELECT FROM lease l WHERE l.pool_id = p.pool_id AND l.kind > 0 AND l.holder >= p_base[n] || chr(31) AND l.holder < p_base[n] || chr(32))
      ORDER BY p.pool_id LOOP
      -- by EXCEPT, since it hashes: the usual report names nearly everybody who is held
      SELECT coalesce(array_agg(l.lease_id), '{}') INTO gone FROM (
          SELECT x.holder FROM lease x WHERE x.pool_id = v_pool AND x.kind > 0 AND x.holder >= p_base[n] || chr(31) AND x.holder < p_base[n] || chr(32)
          EXCEPT SELECT u.hh FROM unnest(p_pool[lo:hi], p_holder[lo:hi]) u(p, hh) WHERE u.p = v_pool) e
        CROSS JOIN LATERAL (SELECT y.lease_id FROM lease y WHERE y.pool_id = v_pool AND y.holder = e.holder OFFSET 0) l;
      SELECT coalesce(array_agg(u.o), '{}'), coalesce(array_agg(u.h ORDER BY u.o), '{}'), array_agg(u.i ORDER BY u.o), array_agg(coalesce(u.s, 0::smallint) ORDER BY u.o),
             coalesce(array_agg(CASE WHEN l.kind = 0 THEN 0 ELSE 1 END::smallint ORDER BY u.o), '{}')
        INTO at_o, h, x, sl, k
        FROM unnest(p_pool[lo:hi], p_holder[lo:hi], p_id[lo:hi], p_slot[lo:hi]) WITH ORDINALITY u(p, h, i, s, o) LEFT JOIN lease l ON l.pool_id = v_pool AND l.holder = u.h
       WHERE u.p = v_pool;
      SELECT array_agg(o ORDER BY o) INTO at_o FROM unnest(at_o) o;
      SELECT * INTO b FROM seat_batch(v_pool, p_ttl_ms, h, coalesce(x, '{}'), k, CASE WHEN p_slot IS NULL THEN NULL ELSE sl END, NULL, NULL,
        gone, array_fill('P'::text, ARRAY[cardinality(gone)]), false, p_now);
      v_released := v_released + length(replace(b.r_codes, 'N', ''));
      IF b.o_reaped > 0 OR b.r_codes LIKE '%X%' THEN
        pools := pools || CASE WHEN pools = '' THEN '' ELSE ',' END || v_pool || ':' || length(replace(b.r_codes, 'N', '')) || ':' || b.o_reaped;
      END IF;
      rn := string_to_array(b.ids, ',');
      DECLARE next_rn int := 1;
      BEGIN
        FOR i IN 1 .. coalesce(cardinality(at_o), 0) LOOP
          code[lo + at_o[i] - 1] := substr(b.codes, i, 1);
          CASE substr(b.codes, i, 1)
            WHEN 'G' THEN lid[lo + at_o[i] - 1] := x[i]::text;
            WHEN 'R' THEN lid[lo + at_o[i] - 1] := rn[next_rn]; next_rn := next_rn + 1;
            ELSE NULL;
          END CASE;
        END LOOP;
      END;
    END LOOP;
    rel := rel || v_released;
    lo := hi + 1;
  END LOOP;
  INSERT INTO base AS bb (base, seen_at) SELECT DISTINCT u.b COLLATE "C" AS b, t FROM unnest(p_base) u(b) ORDER BY b ON CONFLICT (base) DO UPDATE SET seen_at = greatest(bb.seen_at, t);
  IF cardinality(p_holder) = 0 THEN codes := ''; ids := '';
  ELSE codes := array_to_string(code, ''); ids := array_to_string(lid, ','); END IF;
  released := array_to_string(rel, ',');
END $$;

-- Bases that were silent for p_after: neither a report, nor a check-out, nor any lease renewed. last_at: the last sign of life.
CREATE FUNCTION silent_bases(p_after interval, t timestamptz) RETURNS TABLE (base text, last_at timestamptz) LANGUAGE sql STABLE AS $$
  SELECT b.base, greatest(b.seen_at, x.renewed_at) FROM base b
    CROSS JOIN LATERAL (SELECT max(l.renewed_at) AS renewed_at FROM pool p JOIN lease l
       ON l.pool_id = p.pool_id AND l.holder >= b.base || chr(31) AND l.holder < b.base || chr(32)) x
   WHERE b.seen_at <= t - p_after AND x.renewed_at <= t - p_after
$$;

-- The stale seats: those that do not expire, of silent bases.
CREATE FUNCTION stale_leases(p_after interval, t timestamptz) RETURNS TABLE (pool_id smallint, lease_id uuid, holder text, last_at timestamptz) LANGUAGE sql STABLE AS $$
  SELECT l.pool_id, l.lease_id, l.holder, s.last_at FROM silent_bases(p_after, t) s CROSS JOIN pool p
    JOIN lease l ON l.pool_id = p.pool_id AND l.kind > 0 AND l.holder >= s.base || chr(31) AND l.holder < s.base || chr(32)
$$;

-- Gives back all stale seats (of one product, or of all) with the event code R or A.
CREATE FUNCTION clear_stale(p_after interval, p_product text, p_code text, p_now timestamptz, OUT stale_before int, OUT cleared int, OUT kept int, OUT products text) LANGUAGE plpgsql AS $$
DECLARE t timestamptz; v_pool smallint; v_product text; v_ids uuid[]; b record;
BEGIN
  stale_before := 0; cleared := 0; products := '';
  PERFORM FROM pool p WHERE p_product IS NULL OR p.product = p_product ORDER BY p.pool_id FOR UPDATE;
  -- a base that reports at this moment is locked by its report: wait for it, and look again
  PERFORM FROM base bb WHERE bb.seen_at <= clock_timestamp() - p_after ORDER BY bb.base FOR UPDATE;
  t := coalesce(p_now, clock_timestamp());
  FOR v_pool, v_product, v_ids IN SELECT p.pool_id, p.product, array_agg(s.lease_id) FROM stale_leases(p_after, t) s JOIN pool p ON p.pool_id = s.pool_id
      WHERE p_product IS NULL OR p.product = p_product GROUP BY 1, 2 ORDER BY 1 LOOP
    SELECT * INTO b FROM seat_batch(v_pool, 1000, '{}', '{}', '{}', NULL, NULL, NULL, v_ids, array_fill(p_code, ARRAY[cardinality(v_ids)]), false, p_now);
    stale_before := stale_before + cardinality(v_ids);
    cleared := cleared + length(replace(b.r_codes, 'N', ''));
    products := products || CASE WHEN products = '' THEN '' ELSE ',' END || v_product || '=' || length(replace(b.r_codes, 'N', ''));
    UPDATE pool p SET stale = 0, stale_since = NULL WHERE p.pool_id = v_pool;
  END LOOP;
  SELECT coalesce(sum(p.in_use), 0) INTO kept FROM pool p;
END $$;

-- Every server calls this every two seconds. It notices an outage (nobody was alive) or a jump of the clock, and then freezes all
-- expiry for one lease time and does not count the gap as silence of any base. p_start: this server has just started.
CREATE FUNCTION tick(p_replica uuid, p_ttl_ms int, p_start boolean, p_now timestamptz, OUT gap_ms bigint, OUT froze boolean) LANGUAGE plpgsql AS $$
DECLARE t timestamptz; v_alive timestamptz; v_gap interval; v_end timestamptz;
BEGIN
  SELECT alive_at INTO v_alive FROM cluster FOR UPDATE;
  t := coalesce(p_now, clock_timestamp()); v_gap := t - v_alive; v_end := t + p_ttl_ms * interval '1 ms';
  gap_ms := extract(epoch FROM v_gap) * 1000;
  froze := v_gap > interval '8 s' OR v_gap < interval '-2 s'
    OR (p_start AND NOT EXISTS (SELECT FROM replica r WHERE r.replica_id <> p_replica AND r.seen_at BETWEEN t - interval '5 s' AND t + interval '5 s'));
  IF froze THEN
    PERFORM FROM pool p ORDER BY p.pool_id FOR UPDATE;
    IF v_gap < interval '-2 s' THEN -- set back: nothing may stand in the future, or it would outlive its time
      UPDATE lease SET renewed_at = least(renewed_at, t), expires_at = CASE kind WHEN 0 THEN least(expires_at, v_end) ELSE expires_at END;
      UPDATE base SET seen_at = t WHERE seen_at > t;
      UPDATE waiter SET live_until = least(live_until, t + interval '30 s');
    ELSIF v_gap > interval '8 s' THEN
      -- the time without a server is no silence of a base; renewed_at moves only for seats that do not expire
      UPDATE lease SET renewed_at = least(renewed_at + v_gap, t) WHERE kind > 0;
      UPDATE base SET seen_at = least(seen_at + v_gap, t);
      UPDATE waiter SET live_until = least(live_until + v_gap, t + interval '30 s');
    END IF;
    UPDATE pool p SET frozen_until = v_end, next_expiry = least(p.next_expiry, v_end);
  END IF;
  UPDATE cluster SET alive_at = t;
  INSERT INTO replica AS r VALUES (p_replica, t) ON CONFLICT (replica_id) DO UPDATE SET seen_at = t;
  DELETE FROM replica r WHERE r.seen_at < t - interval '1 min';
END $$;

-- Tidies: reaps what is due in one pool even if nobody wants its seat.
CREATE FUNCTION reap(p_pool smallint, p_now timestamptz) RETURNS int LANGUAGE plpgsql AS $$
DECLARE t timestamptz; r record; used int[]; s smallint; v_waiting int; p record;
BEGIN
  SELECT * INTO p FROM pool WHERE pool_id = p_pool FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN 0; END IF;
  t := coalesce(p_now, clock_timestamp());
  IF p.next_expiry > t OR NOT may_expire(t, p.frozen_until, p_now) THEN RETURN 0; END IF;
  SELECT * INTO r FROM reap_locked(p_pool, t);
  used := p.reserved_used;
  FOREACH s IN ARRAY coalesce(r.slots, '{}') LOOP IF s <= cardinality(used) THEN used[s] := used[s] - 1; END IF; END LOOP;
  UPDATE pool SET in_use = in_use - r.n, next_expiry = r.next_expiry, reserved_used = used WHERE pool_id = p_pool;
  RETURN r.n;
END $$;

-- Writes the counts that need a look at more than the pool: stale seats, and holders who were refused within the last minute and
-- have no seat. One server at a time; the others have nothing to add.
CREATE FUNCTION count_pools(p_after interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t timestamptz := clock_timestamp(); x record;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7227002) THEN RETURN; END IF;
  FOR x IN SELECT q.pool_id, count(s.lease_id)::int AS n, min(s.last_at) + p_after AS since,
                  (SELECT count(*)::int FROM denial d WHERE d.open AND d.product = q.product AND d.reason = 'SeatsExhausted' AND d.last_at > t - interval '1 min') AS w
             FROM pool q LEFT JOIN stale_leases(p_after, t) s ON s.pool_id = q.pool_id GROUP BY q.pool_id, q.product ORDER BY q.pool_id LOOP
    UPDATE pool p SET stale = x.n, stale_since = x.since, holders_waiting = x.w
     WHERE p.pool_id = x.pool_id AND (p.stale, p.stale_since, p.holders_waiting) IS DISTINCT FROM (x.n, x.since, x.w);
  END LOOP;
END $$;
