CREATE FUNCTION public.adopt_base(p_base text, p_instance uuid, OUT known boolean, OUT o_instance uuid) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE o base_owner;
BEGIN
  SELECT * INTO o FROM base_owner b WHERE b.base = p_base FOR UPDATE;
  known := FOUND; o_instance := coalesce(p_instance, o.rival);
  IF NOT known OR o_instance IS NULL THEN RETURN; END IF;
  UPDATE base_owner b SET instance = o_instance, since = clock_timestamp(), conflict = NULL, rival = NULL, conflict_at = NULL WHERE b.base = p_base;
  UPDATE cluster SET adoptions = adoptions + 1;
END $$;

CREATE FUNCTION public.beat(p_replica uuid, p_ttl_ms integer, p_start boolean, p_missed boolean, p_now timestamp with time zone, OUT gap_ms bigint, OUT froze boolean, OUT crashed boolean, OUT o_now_ms bigint, OUT more boolean) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  t timestamptz; v_alive timestamptz; v_gap interval; v_end timestamptz; v_patience interval;
  most CONSTANT int := 20000; n_lease int; n_base int;
BEGIN
  SELECT alive_at INTO v_alive FROM cluster FOR UPDATE;
  t := coalesce(p_now, clock_timestamp()); v_gap := t - v_alive; v_end := t + p_ttl_ms * interval '1 ms';
  more := false; gap_ms := extract(epoch FROM v_gap) * 1000; o_now_ms := extract(epoch FROM t) * 1000;
  v_patience := least(greatest(p_ttl_ms * 0.3, 1000), 8000) * interval '1 ms';
  froze := v_gap > v_patience OR v_gap < interval '-2 s'
    OR (p_start AND NOT EXISTS (SELECT FROM replica r WHERE r.replica_id <> p_replica AND r.seen_at BETWEEN t - interval '5 s' AND t + interval '5 s'));
  crashed := NOT EXISTS (SELECT FROM uncrashed);
  IF froze OR p_missed OR crashed THEN
    PERFORM FROM pool p ORDER BY p.pool_id FOR UPDATE;
    IF v_gap < interval '-2 s' THEN -- set back: nothing may stand in the future, or it would outlive its time
      -- a row that somebody holds is being renewed, by this clock
      WITH x AS (SELECT l.ctid FROM lease l WHERE l.renewed_at > t OR (l.kind = 0 AND l.expires_at > v_end) LIMIT most FOR UPDATE SKIP LOCKED)
      UPDATE lease l SET renewed_at = least(l.renewed_at, t), expires_at = CASE l.kind WHEN 0 THEN least(l.expires_at, v_end) ELSE l.expires_at END
       WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM x));
      GET DIAGNOSTICS n_lease = ROW_COUNT;
      UPDATE base b SET seen_at = t WHERE b.ctid = ANY(ARRAY(SELECT x.ctid FROM base x WHERE x.seen_at > t LIMIT most FOR UPDATE SKIP LOCKED));
      GET DIAGNOSTICS n_base = ROW_COUNT;
      UPDATE waiter SET live_until = least(live_until, t + interval '30 s');
      DELETE FROM outage o WHERE o.began_at >= t;
      UPDATE outage o SET ended_at = t WHERE o.ended_at > t;
      more := n_lease = most OR n_base = most;
      IF more THEN froze := false; RETURN; END IF;
    ELSIF v_gap > interval '8 s' THEN
      INSERT INTO outage SELECT v_alive, t WHERE EXISTS (SELECT FROM base) -- of a ledger without bases it was nobody's silence
      ON CONFLICT (began_at) DO UPDATE SET ended_at = greatest(outage.ended_at, excluded.ended_at);
      DELETE FROM outage o WHERE o.ended_at < t - interval '400 days';
      UPDATE waiter SET live_until = least(live_until + v_gap, t + interval '30 s');
    END IF;
    IF froze THEN UPDATE pool p SET frozen_until = v_end, next_expiry = least(p.next_expiry, v_end);
    ELSE UPDATE pool p SET frozen_until = greatest(p.frozen_until, v_end); END IF;
    INSERT INTO uncrashed DEFAULT VALUES ON CONFLICT DO NOTHING;
  END IF;
  UPDATE cluster SET alive_at = t, patience = v_patience,
         jumped_at = CASE WHEN v_gap > interval '7 days' THEN t ELSE least(jumped_at, t) END;
  INSERT INTO replica AS r VALUES (p_replica, t) ON CONFLICT (replica_id) DO UPDATE SET seen_at = t;
  DELETE FROM replica r WHERE r.seen_at NOT BETWEEN t - interval '1 min' AND t + interval '1 min';
END $$;

CREATE FUNCTION public.borrow_seat(p_pool smallint, p_holder text, p_shown text, p_id uuid, p_hours integer, p_most integer, p_slot smallint, p_subject text, p_priority integer, p_rules text, p_now timestamp with time zone, OUT code text, OUT lease_id uuid, OUT o_until_ms bigint, OUT o_in_use integer, OUT o_limit integer, OUT o_now_ms bigint, OUT o_reserved integer, OUT o_waiting integer, OUT o_rules text, OUT o_lent integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE t timestamptz; v_weights jsonb; v_end timestamptz; h lease; b record;
BEGIN
  UPDATE pool p SET weights = coalesce(p.weights, '{}') WHERE p.pool_id = p_pool RETURNING p.weights, p.in_use, p.seat_limit INTO v_weights, o_in_use, o_limit;
  IF NOT FOUND THEN RAISE EXCEPTION 'unknown pool %', p_pool USING ERRCODE = 'P0002'; END IF;
  t := coalesce(p_now, clock_timestamp()); o_now_ms := extract(epoch FROM t) * 1000; v_end := date_trunc('milliseconds', t) + p_hours * interval '1 hour'; -- as it is told
  o_reserved := 0; o_waiting := 0;
  SELECT * INTO h FROM lease l WHERE l.pool_id = p_pool AND l.holder = p_holder FOR UPDATE;
  SELECT coalesce(sum(size_of(l.holder, v_weights)), 0) INTO o_lent FROM lease l WHERE l.pool_id = p_pool AND l.kind IN (-1, -2) AND l.expires_at > t AND l.holder <> p_holder;
  IF h.kind IN (-1, -2) THEN
    UPDATE lease l SET kind = -1, renewed_at = t, expires_at = greatest(l.expires_at, v_end) WHERE l.lease_id = h.lease_id RETURNING l.lease_id, l.expires_at INTO lease_id, v_end;
    code := 'R';
  ELSIF o_lent + size_of(p_holder, v_weights) > p_most THEN
    code := 'B'; RETURN;
  ELSE
    SELECT * INTO b FROM seat_batch_ruled(p_pool, 1000, ARRAY[p_holder], ARRAY[p_id], ARRAY[0::smallint], ARRAY[p_slot], ARRAY[0], ARRAY[p_subject], '{}', '{}', false, p_now,
      ARRAY[p_shown], ARRAY[p_priority], CASE WHEN p_rules IS NULL THEN NULL ELSE ARRAY[p_rules] END);
    code := b.codes; o_in_use := b.o_in_use; o_reserved := b.o_reserved; o_waiting := b.o_waiting; o_rules := b.o_rules;
    IF code NOT IN ('G', 'O', 'R') THEN RETURN; END IF;
    UPDATE lease l SET kind = -1, expires_at = v_end WHERE l.pool_id = p_pool AND l.holder = p_holder RETURNING l.lease_id INTO lease_id;
  END IF;
  o_until_ms := extract(epoch FROM v_end) * 1000;
END $$;

CREATE FUNCTION public.claim_base(p_base text, p_shown text, p_instance uuid) RETURNS uuid
    LANGUAGE plpgsql
    AS $$
DECLARE o base_owner; t timestamptz := clock_timestamp();
BEGIN
  INSERT INTO base_owner AS b (base, shown, instance, since) VALUES (p_base, p_shown, p_instance, t)
    ON CONFLICT (base) DO UPDATE SET instance = p_instance, since = t WHERE b.instance IS NULL;
  SELECT * INTO o FROM base_owner b WHERE b.base = p_base FOR UPDATE;
  IF o.instance = p_instance THEN RETURN p_instance; END IF;
  IF o.rival IS DISTINCT FROM p_instance OR o.conflict_at IS NULL OR o.conflict_at NOT BETWEEN t - interval '1 hour' AND t THEN
    INSERT INTO audit (actor, action, target, reason) VALUES ('server', 'BaseInstanceConflict', o.shown,
      'instance ' || p_instance || ' asked for what is instance ' || o.instance || '''s');
  END IF;
  UPDATE base_owner b SET conflict = 'instance', rival = p_instance, conflict_at = t WHERE b.base = p_base;
  RETURN o.instance;
END $$;

CREATE FUNCTION public.clear_stale(p_pool smallint, p_after interval, p_code text, p_most integer, p_now timestamp with time zone, OUT n_stale integer, OUT cleared integer) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
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

CREATE FUNCTION public.close_denials(p_most integer) RETURNS integer
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE t timestamptz := clock_timestamp(); n int; m int;
BEGIN
  UPDATE denial d SET open = false WHERE d.denial_id = ANY(ARRAY(
    SELECT x.denial_id FROM denial x WHERE x.open AND x.last_at < t - interval '10 min' AND (x.unmet OR x.reason NOT IN ('SeatsExhausted', 'SeatsReserved'))
     ORDER BY x.last_at LIMIT p_most FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  -- the clock was set back: these would stay open until it comes there again
  UPDATE denial d SET open = false, first_at = least(d.first_at, t), last_at = t WHERE d.denial_id = ANY(ARRAY(
    SELECT x.denial_id FROM denial x WHERE x.open AND x.last_at > t + interval '1 min' ORDER BY x.last_at DESC LIMIT p_most FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS m = ROW_COUNT;
  RETURN greatest(n, m);
END $$;

CREATE FUNCTION public.count_pools(p_after interval) RETURNS TABLE(pool_id smallint, stale integer, stale_since timestamp with time zone, holders_waiting integer, borrowed integer, lost integer, idle integer, lingering integer, assigned integer, unused integer)
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
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

CREATE FUNCTION public.count_tallies(p_pool smallint, p_key text[], p_n integer[]) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE v_empty tid[];
BEGIN
  WITH c AS (INSERT INTO tally AS t (pool_id, key, used) SELECT p_pool, u.k, sum(u.n) FROM unnest(p_key, p_n) u(k, n) GROUP BY u.k ORDER BY u.k
             ON CONFLICT (pool_id, key) DO UPDATE SET used = t.used + excluded.used RETURNING t.ctid, t.used)
  SELECT array_agg(c.ctid) FILTER (WHERE c.used <= 0) INTO v_empty FROM c;
  IF v_empty IS NOT NULL THEN DELETE FROM tally t WHERE t.ctid = ANY(v_empty); END IF;
END $$;

CREATE FUNCTION public.end_denials(p_product text, p_holder text[], t timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE denial d SET open = false, served_at = t WHERE d.denial_id = ANY(ARRAY(
    SELECT x.denial_id FROM denial x WHERE x.open AND x.product = p_product AND x.holder = ANY(p_holder) FOR UPDATE SKIP LOCKED));
END $$;

CREATE FUNCTION public.find_unmet(p_most integer, OUT looked integer, OUT unmet jsonb) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    AS $$
DECLARE t timestamptz := clock_timestamp();
BEGIN
  WITH u AS MATERIALIZED (
         SELECT d.denial_id, d.product, d.holder FROM denial d WHERE d.open AND NOT d.unmet AND d.reason IN ('SeatsExhausted', 'SeatsReserved')
            AND d.first_at < t - interval '1 min' ORDER BY d.first_at LIMIT p_most FOR UPDATE SKIP LOCKED),
       h AS MATERIALIZED (SELECT u.denial_id, l.acquired_at FROM u LEFT JOIN LATERAL (
         SELECT x.acquired_at FROM pool p CROSS JOIN LATERAL (SELECT y.acquired_at FROM lease y WHERE y.pool_id = p.pool_id AND y.holder = u.holder OFFSET 0) x
          WHERE p.product = u.product) l ON true),
       x AS (UPDATE denial d SET unmet = h.acquired_at IS NULL, open = h.acquired_at IS NULL, served_at = h.acquired_at
               FROM h WHERE d.denial_id = h.denial_id RETURNING d.product, d.unmet)
  SELECT coalesce(sum(x.n), 0), jsonb_object_agg(x.product, x.un) FILTER (WHERE x.un > 0) INTO looked, unmet
    FROM (SELECT x.product, count(*) AS n, count(*) FILTER (WHERE x.unmet) AS un FROM x GROUP BY x.product) x;
END $$;

CREATE FUNCTION public.free_seats(p_pool smallint, p_by text, p_weights jsonb, p_holder text[], OUT n integer, OUT slots smallint[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE v_free tid[]; v_tallies text[]; v_sizes int[];
BEGIN
  IF p_weights IS NULL THEN
    WITH c AS (INSERT INTO seat AS s (pool_id, part, leases) SELECT p_pool, part_of(h, p_by), -count(*) FROM unnest(p_holder) h GROUP BY 2 ORDER BY 2
               ON CONFLICT (pool_id, part) DO UPDATE SET leases = s.leases + excluded.leases RETURNING s.ctid, s.leases, s.slot, s.tallies)
    SELECT count(*), array_agg(c.slot) FILTER (WHERE c.slot > 0), array_agg(c.ctid), string_to_array(string_agg(c.tallies, chr(30)), chr(30))
      INTO n, slots, v_free, v_tallies FROM c WHERE c.leases <= 0;
    IF v_tallies IS NOT NULL THEN v_sizes := array_fill(1, ARRAY[cardinality(v_tallies)]); END IF;
  ELSE
    WITH g AS MATERIALIZED (SELECT part_of(h, p_by) AS part, -count(*) AS leases, max(size_of(h, p_weights)) AS size FROM unnest(p_holder) h GROUP BY 1),
         c AS (INSERT INTO seat AS s (pool_id, part, leases) SELECT p_pool, g.part, g.leases FROM g ORDER BY g.part COLLATE "C"
               ON CONFLICT (pool_id, part) DO UPDATE SET leases = s.leases + excluded.leases RETURNING s.ctid, s.part, s.leases, s.slot, s.tallies),
         f AS MATERIALIZED (SELECT c.*, g.size FROM c JOIN g ON g.part = c.part WHERE c.leases <= 0)
    SELECT coalesce(sum(f.size), 0), (SELECT array_agg(x.slot) FROM f x, generate_series(1, x.size) WHERE x.slot > 0), array_agg(f.ctid),
           (SELECT array_agg(k) FROM f x, unnest(string_to_array(x.tallies, chr(30))) k), (SELECT array_agg(x.size) FROM f x, unnest(string_to_array(x.tallies, chr(30))) k)
      INTO n, slots, v_free, v_tallies, v_sizes FROM f;
  END IF;
  IF v_free IS NOT NULL THEN DELETE FROM seat s WHERE s.ctid = ANY(v_free); END IF;
  IF v_tallies IS NOT NULL THEN PERFORM count_tallies(p_pool, v_tallies, ARRAY(SELECT -z FROM unnest(v_sizes) z)); END IF;
END $$;

CREATE FUNCTION public.give_up_idle(p_pool smallint, p_by text, p_weights jsonb, p_part text[], t timestamp with time zone, OUT holders text[], OUT freed integer, OUT free_slots smallint[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE v_slots smallint[];
BEGIN
  WITH x AS (SELECT l.ctid FROM lease l WHERE l.pool_id = p_pool AND l.idle_from <= t AND l.kind >= 0 AND part_of(l.holder, p_by) = ANY(p_part) FOR UPDATE SKIP LOCKED),
       d AS (DELETE FROM lease l WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM x)) RETURNING l.lease_id, l.holder, l.slot),
       e AS (INSERT INTO event SELECT t, p_pool, 'I', d.lease_id, d.holder FROM d)
  SELECT array_agg(d.holder), array_agg(d.slot), array_agg(d.slot) FILTER (WHERE d.slot > 0), count(*) INTO holders, v_slots, free_slots, freed FROM d;
  IF freed > 0 AND p_by IS NOT NULL THEN SELECT f.n, f.slots INTO freed, free_slots FROM free_seats(p_pool, p_by, p_weights, holders) f;
  ELSIF freed > 0 AND p_weights IS NOT NULL THEN SELECT f.n, f.slots INTO freed, free_slots FROM sizes_of(p_weights, holders, v_slots) f; END IF;
END $$;

CREATE FUNCTION public.heartbeat_batch(p_id uuid[], p_ttl_ms integer, p_now timestamp with time zone, p_idle uuid[] DEFAULT NULL::uuid[], OUT marks text, OUT o_now_ms bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE t timestamptz := coalesce(p_now, clock_timestamp()); v_end timestamptz := t + p_ttl_ms * interval '1 ms'; v_n int;
BEGIN
  o_now_ms := extract(epoch FROM t) * 1000;
  IF p_idle IS NULL THEN
    UPDATE lease l SET renewed_at = t, expires_at = v_end, idle_from = NULL
     WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM lease x WHERE x.lease_id = ANY(p_id) AND x.kind = 0 FOR NO KEY UPDATE SKIP LOCKED));
  ELSE
    UPDATE lease l SET renewed_at = t, expires_at = v_end, idle_from = CASE WHEN l.lease_id = ANY(p_idle) THEN coalesce(l.idle_from, t + l.idle_after * interval '1 s') END
     WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM lease x WHERE x.lease_id = ANY(p_id) AND x.kind = 0 FOR NO KEY UPDATE SKIP LOCKED));
  END IF;
  GET DIAGNOSTICS v_n = ROW_COUNT;
  IF v_n = cardinality(p_id) THEN marks := ''; RETURN; END IF;
  -- <> 0, not > 0: the index of unexpiring leases would be read as a whole
  UPDATE lease l SET renewed_at = t, expires_at = CASE WHEN l.kind < 0 THEN l.expires_at ELSE 'infinity' END,
         idle_from = CASE WHEN l.lease_id = ANY(p_idle) THEN coalesce(l.idle_from, t + l.idle_after * interval '1 s') END
   WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM lease x WHERE x.lease_id = ANY(p_id) AND x.kind <> 0 AND x.kind <> -3 FOR NO KEY UPDATE SKIP LOCKED));
  -- a lease that stands as its renewal would leave it is renewed, by whomever; one that stands otherwise was busy
  SELECT string_agg(CASE WHEN l.lease_id IS NULL OR l.kind = -3 THEN '0' WHEN l.renewed_at <> t THEN '2'
                         WHEN l.kind <> 0 THEN '3' WHEN l.expires_at = v_end THEN '1' ELSE '2' END, '' ORDER BY u.ord)
    INTO marks FROM unnest(p_id) WITH ORDINALITY u(i, ord)
    LEFT JOIN LATERAL (SELECT x.lease_id, x.kind, x.renewed_at, x.expires_at FROM lease x WHERE x.lease_id = u.i OFFSET 0) l ON true;
END $$;

CREATE FUNCTION public.idle_seats(p_pool smallint, p_by text, p_weights jsonb, t timestamp with time zone, OUT parts text[], OUT sizes integer[], OUT slots smallint[]) RETURNS record
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
  IF p_by IS NULL THEN
    SELECT array_agg(y.holder ORDER BY y.idle_from, y.holder), array_agg(y.size ORDER BY y.idle_from, y.holder), array_agg(y.slot ORDER BY y.idle_from, y.holder) INTO parts, sizes, slots
      FROM (SELECT l.holder, l.slot, l.idle_from, CASE WHEN p_weights IS NULL THEN 1 ELSE size_of(l.holder, p_weights) END AS size
              FROM lease l WHERE l.pool_id = p_pool AND l.idle_from <= t AND l.kind >= 0 ORDER BY l.idle_from, l.holder LIMIT 1000) y;
  ELSE
    SELECT array_agg(y.part ORDER BY y.since, y.part COLLATE "C"), array_agg(y.size ORDER BY y.since, y.part COLLATE "C"), array_agg(y.slot ORDER BY y.since, y.part COLLATE "C") INTO parts, sizes, slots
      FROM (SELECT g.part, g.since, g.size, s.slot
              FROM (SELECT part_of(l.holder, p_by) AS part, count(*) AS n, max(l.idle_from) AS since, max(CASE WHEN p_weights IS NULL THEN 1 ELSE size_of(l.holder, p_weights) END) AS size
                      FROM (SELECT x.holder, x.idle_from FROM lease x WHERE x.pool_id = p_pool AND x.idle_from <= t AND x.kind >= 0 ORDER BY x.idle_from, x.holder LIMIT 5000) l GROUP BY 1) g
             CROSS JOIN LATERAL (SELECT z.slot, z.leases FROM seat z WHERE z.pool_id = p_pool AND z.part = g.part OFFSET 0) s WHERE s.leases = g.n) y;
  END IF;
END $$;

CREATE FUNCTION public.leave_queue(p_pool smallint, p_holder text[], p_asked_ms double precision[], p_queue_ms integer, p_now timestamp with time zone, OUT o_free integer) RETURNS integer
    LANGUAGE plpgsql
    AS $$
BEGIN
  SELECT p.seat_limit - p.in_use INTO o_free FROM pool p WHERE p.pool_id = p_pool FOR UPDATE;
  DELETE FROM waiter w USING unnest(p_holder, p_asked_ms) u(h, a)
   WHERE w.pool_id = p_pool AND w.holder = u.h AND w.live_until < to_timestamp((u.a + p_queue_ms + 1) / 1000);
  DELETE FROM waiter w WHERE w.pool_id = p_pool AND w.live_until <= coalesce(p_now, clock_timestamp());
  UPDATE pool p SET waiting = (SELECT count(*) FROM waiter w WHERE w.pool_id = p_pool) WHERE p.pool_id = p_pool;
END $$;

CREATE FUNCTION public.look_at_pool(p_pool smallint, p_holder text, p_size integer, p_priority integer, p_tally text[], p_most integer[], p_stale interval, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    SET jit TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
DECLARE
  t timestamptz := coalesce(p_now, clock_timestamp()); p pool; v_held boolean; v_part text; v_leases int; v_slot smallint; v_used int[]; v_ticket bigint; v_ahead int := 0; v_need int := 0; v_waiting int := 0;
  v_due jsonb; v_cap text; v_short boolean; v_holders jsonb; v_idle jsonb; v_assigned boolean; most_due CONSTANT int := 2000; most_looked CONSTANT int := 3000;
BEGIN
  SELECT * INTO p FROM pool x WHERE x.pool_id = p_pool;
  IF NOT FOUND THEN RETURN NULL; END IF;
  v_held := EXISTS (SELECT FROM lease l WHERE l.pool_id = p_pool AND l.holder = p_holder);
  IF p.named THEN v_assigned := EXISTS (SELECT FROM assignment a WHERE a.pool_id = p_pool AND a.person = split_part(p_holder, chr(31), 2)); END IF;
  IF p.count_by IS NOT NULL THEN
    v_part := part_of(p_holder, p.count_by);
    SELECT s.leases, s.slot INTO v_leases, v_slot FROM seat s WHERE s.pool_id = p_pool AND s.part = v_part;
  END IF;
  SELECT array_agg(coalesce(y.used, 0) ORDER BY u.o) INTO v_used FROM unnest(p_tally) WITH ORDINALITY u(k, o)
    LEFT JOIN LATERAL (SELECT z.used FROM tally z WHERE z.pool_id = p_pool AND z.key = u.k OFFSET 0) y ON true;
  IF p.waiting > 0 THEN
    SELECT w.ticket INTO v_ticket FROM waiter w WHERE w.pool_id = p_pool AND w.holder = p_holder AND w.live_until > t;
    SELECT count(*) FILTER (WHERE w.priority > p_priority OR w.priority = p_priority AND w.ticket < coalesce(v_ticket, 9223372036854775807)),
           coalesce(sum(CASE WHEN p.weights IS NULL THEN 1 ELSE size_of(w.holder, p.weights) END) FILTER (WHERE w.priority > p_priority OR w.priority = p_priority AND w.ticket < coalesce(v_ticket, 9223372036854775807)), 0),
           count(*) INTO v_ahead, v_need, v_waiting FROM waiter w WHERE w.pool_id = p_pool AND w.live_until > t AND w.holder <> p_holder;
  END IF;
  SELECT u.k INTO v_cap FROM unnest(p_tally, p_most, v_used) WITH ORDINALITY u(k, m, n, o) WHERE u.n + p_size > u.m ORDER BY u.o LIMIT 1;
  v_short := v_cap IS NOT NULL OR p.in_use + v_need + p_size > p.seat_limit OR p.reserved IS NOT NULL;
  IF v_short AND NOT v_held THEN
    IF p.next_expiry <= t THEN
      WITH x AS MATERIALIZED (SELECT l.holder, l.slot FROM lease l WHERE l.pool_id = p_pool AND l.expires_at <= t LIMIT most_due),
           f AS MATERIALIZED ( -- the seats that would be free
             SELECT x.slot, NULL::text AS tallies, CASE WHEN p.weights IS NULL THEN 1 ELSE size_of(x.holder, p.weights) END AS size FROM x WHERE p.count_by IS NULL
             UNION ALL SELECT s.slot, s.tallies, g.size FROM (SELECT part_of(x.holder, p.count_by) AS part, count(*) AS n, max(CASE WHEN p.weights IS NULL THEN 1 ELSE size_of(x.holder, p.weights) END) AS size FROM x WHERE p.count_by IS NOT NULL GROUP BY 1) g
              CROSS JOIN LATERAL (SELECT z.slot, z.tallies, z.leases FROM seat z WHERE z.pool_id = p_pool AND z.part = g.part OFFSET 0) s WHERE s.leases <= g.n)
      SELECT jsonb_build_object('leases', (SELECT count(*) FROM x), 'seats', (SELECT coalesce(sum(f.size), 0) FROM f),
               'part', (SELECT count(*) FROM x WHERE part_of(x.holder, p.count_by) = v_part),
               'slots', coalesce((SELECT jsonb_agg(f.slot) FROM f, generate_series(1, f.size) WHERE f.slot > 0), '[]'),
               'tallies', coalesce((SELECT jsonb_agg((SELECT coalesce(sum(f.size), 0) FROM f WHERE u.k = ANY(string_to_array(f.tallies, chr(30)))) ORDER BY u.o) FROM unnest(p_tally) WITH ORDINALITY u(k, o)), '[]'))
        INTO v_due;
    END IF;
    IF p.lingers AND may_expire(t, p.frozen_until, p_now) THEN
      SELECT jsonb_agg(jsonb_build_object('part', u.k, 'size', u.n, 'slot', u.s) ORDER BY u.o) INTO v_idle
        FROM idle_seats(p_pool, p.count_by, p.weights, t) i CROSS JOIN LATERAL unnest(i.parts, i.sizes, i.slots) WITH ORDINALITY u(k, n, s, o);
    END IF;
    WITH h AS MATERIALIZED ( -- in the order of their ids, which is that of the time; so many are looked at
           SELECT l.* FROM (SELECT y.* FROM lease y ORDER BY y.lease_id LIMIT most_looked) l
            WHERE l.pool_id = p_pool AND (v_cap IS NULL OR EXISTS (SELECT FROM seat s WHERE s.pool_id = p_pool AND s.part = part_of(l.holder, p.count_by)
                    AND v_cap = ANY(string_to_array(s.tallies, chr(30))))) ORDER BY l.lease_id LIMIT 10),
         silent AS MATERIALIZED (SELECT b.base FROM silent_bases(p_stale, t, ARRAY(SELECT DISTINCT split_part(h.holder, chr(31), 1) FROM h WHERE h.kind > 0)) b)
    SELECT jsonb_agg(jsonb_build_object('leaseId', h.lease_id, 'holder', coalesce(h.shown, h.holder), 'kind', h.kind, 'slot', h.slot, 'acquiredAt', extract(epoch FROM h.acquired_at) * 1000,
             'expiresAt', CASE WHEN h.expires_at < 'infinity' THEN extract(epoch FROM h.expires_at) * 1000 END,
             'stale', h.kind > 0 AND split_part(h.holder, chr(31), 1) IN (SELECT s.base FROM silent s)) ORDER BY h.lease_id) INTO v_holders FROM h;
  END IF;
  RETURN jsonb_build_object('nowMs', extract(epoch FROM t) * 1000, 'seatLimit', p.seat_limit, 'overdraft', p.overdraft, 'inUse', p.in_use,
    'reserved', coalesce(p.reserved, '{}'), 'reservedUsed', coalesce(p.reserved_used, '{}'), 'held', v_held, 'assigned', v_assigned, 'shared', CASE WHEN v_leases > 0 THEN jsonb_build_object('leases', v_leases, 'slot', v_slot) END,
    'tallies', coalesce(to_jsonb(v_used), '[]'), 'ahead', v_ahead, 'need', v_need, 'waiting', v_waiting + (v_ticket IS NOT NULL)::int, 'due', v_due, 'idle', coalesce(v_idle, '[]'),
    'mayExpire', v_due IS NOT NULL AND may_expire(t, p.frozen_until, p_now),
    'frozenUntilMs', CASE WHEN p.frozen_until > t AND p.frozen_until < 'infinity' THEN extract(epoch FROM p.frozen_until) * 1000 END, 'holders', coalesce(v_holders, '[]'));
END $$;

CREATE FUNCTION public.may_expire(t timestamp with time zone, p_frozen_until timestamp with time zone, p_now timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
  SELECT p_frozen_until <= t
     AND (p_now IS NOT NULL OR (EXISTS (SELECT FROM uncrashed) AND (SELECT alive_at BETWEEN t - patience AND t + patience FROM cluster)))
$$;

CREATE FUNCTION public.note_swing(p_base text, p_shown text) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE t timestamptz := clock_timestamp();
BEGIN
  IF NOT EXISTS (SELECT FROM base_owner b WHERE b.base = p_base AND b.conflict_at BETWEEN t - interval '1 hour' AND t) THEN
    INSERT INTO audit (actor, action, target, reason) VALUES ('server', 'BaseReportedTwice', p_shown, 'reports of two bases take each other''s seats');
  END IF;
  INSERT INTO base_owner AS b (base, shown, since, conflict, conflict_at) VALUES (p_base, p_shown, t, 'reports', t)
    ON CONFLICT (base) DO UPDATE SET conflict = 'reports', rival = NULL, conflict_at = t;
END $$;

CREATE FUNCTION public.part_of(h text, p_by text) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT CASE p_by WHEN 'user' THEN split_part(h, chr(31), 2) WHEN 'host' THEN split_part(h, chr(31), 3)
    WHEN 'userOnHost' THEN split_part(h, chr(31), 2) || chr(31) || split_part(h, chr(31), 3) WHEN 'base' THEN split_part(h, chr(31), 1) ELSE h END
    || CASE WHEN p_by IN ('user', 'host', 'userOnHost', 'base') AND (split_part(h, chr(31), 5) <> '' OR split_part(h, chr(31), 6) <> '')
            THEN chr(31) || chr(31) || split_part(h, chr(31), 5) || chr(31) || split_part(h, chr(31), 6) ELSE '' END
$$;

CREATE FUNCTION public.prune_events(p_before timestamp with time zone, p_from timestamp with time zone, p_most integer, OUT n integer, OUT last_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
BEGIN
  WITH d AS (DELETE FROM event e WHERE e.ctid = ANY(ARRAY(SELECT x.ctid FROM event x WHERE x.at < p_before AND x.at >= p_from LIMIT p_most)) RETURNING e.at)
  SELECT count(*), max(d.at) INTO n, last_at FROM d;
END $$;

CREATE FUNCTION public.reap(p_pool smallint, p_now timestamp with time zone) RETURNS integer
    LANGUAGE sql
    AS $$ SELECT n FROM reap_due(p_pool, p_now) $$;

CREATE FUNCTION public.reap_due(p_pool smallint, p_now timestamp with time zone, OUT n integer, OUT expired integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE t timestamptz; r record; used int[]; s smallint; p record;
BEGIN
  n := 0; expired := 0;
  SELECT * INTO p FROM pool WHERE pool_id = p_pool FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN; END IF;
  t := coalesce(p_now, clock_timestamp());
  IF p.next_expiry > t OR NOT may_expire(t, p.frozen_until, p_now) THEN RETURN; END IF;
  SELECT * INTO r FROM reap_locked(p_pool, t, p.count_by, p.weights);
  used := p.reserved_used;
  FOREACH s IN ARRAY coalesce(r.slots, '{}') LOOP IF s <= cardinality(used) THEN used[s] := used[s] - 1; END IF; END LOOP;
  UPDATE pool SET in_use = in_use - r.freed, next_expiry = r.next_expiry, reserved_used = used WHERE pool_id = p_pool;
  n := r.n; expired := r.n - r.lingered;
END $$;

CREATE FUNCTION public.reap_locked(p_pool smallint, t timestamp with time zone, p_by text DEFAULT NULL::text, p_weights jsonb DEFAULT NULL::jsonb, OUT n integer, OUT next_expiry timestamp with time zone, OUT slots smallint[], OUT freed integer, OUT lingered integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE v_holders text[]; v_slots smallint[];
BEGIN
  -- a row that a heartbeat holds is being renewed: skip it, never wait for it
  WITH x AS (SELECT ctid FROM lease WHERE pool_id = p_pool AND expires_at <= t LIMIT 2000 FOR UPDATE SKIP LOCKED),
       d AS (DELETE FROM lease l WHERE l.ctid = ANY(ARRAY(SELECT ctid FROM x)) RETURNING l.lease_id, l.holder, l.slot, l.kind),
       e AS (INSERT INTO event SELECT t, p_pool, CASE kind WHEN -3 THEN 'X' ELSE 'E' END::"char", lease_id, holder FROM d)
  SELECT count(*), count(*) FILTER (WHERE kind = -3), array_agg(slot) FILTER (WHERE slot > 0), CASE WHEN p_by IS NOT NULL OR p_weights IS NOT NULL THEN array_agg(holder) END, CASE WHEN p_weights IS NOT NULL THEN array_agg(slot) END
    INTO n, lingered, slots, v_holders, v_slots FROM d;
  freed := n;
  IF v_holders IS NOT NULL AND p_by IS NOT NULL THEN SELECT f.n, f.slots INTO freed, slots FROM free_seats(p_pool, p_by, p_weights, v_holders) f;
  ELSIF v_holders IS NOT NULL THEN SELECT f.n, f.slots INTO freed, slots FROM sizes_of(p_weights, v_holders, v_slots) f; END IF;
  IF n = 2000 THEN next_expiry := t; RETURN; END IF;
  SELECT coalesce(min(l.expires_at), 'infinity') INTO next_expiry FROM lease l WHERE l.pool_id = p_pool;
  IF next_expiry <= t THEN next_expiry := t + interval '250 ms'; END IF; -- only skipped ones are left: no scan at every request
END $$;

CREATE FUNCTION public.report_batch(p_ttl_ms integer, p_base text[], p_len integer[], p_pool smallint[], p_holder text[], p_id uuid[], p_slot smallint[], p_now timestamp with time zone, p_shown text[] DEFAULT NULL::text[], p_priority integer[] DEFAULT NULL::integer[], p_rules text[] DEFAULT NULL::text[], p_idle boolean[] DEFAULT NULL::boolean[], p_idle_after integer[] DEFAULT NULL::integer[], p_hold integer[] DEFAULT NULL::integer[], OUT codes text, OUT ids text, OUT released text, OUT pools text, OUT o_now_ms bigint, OUT o_rules text) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  t timestamptz; n int; lo int := 1; hi int; v_pool smallint; v_out smallint[]; i int;
  code text[] := array_fill('U'::text, ARRAY[greatest(cardinality(p_holder), 1)]); lid text[] := array_fill(''::text, ARRAY[greatest(cardinality(p_holder), 1)]);
  gone uuid[]; at_o int[]; h text[]; k smallint[]; x uuid[]; sl smallint[]; sh text[]; pr int[]; ru text[]; idl boolean[]; ida int[]; hol int[]; lim text[] := array_fill(NULL::text, ARRAY[greatest(cardinality(p_holder), 1)]); b record; rn text[]; v_released int; rel int[] := '{}';
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
             coalesce(array_agg(CASE WHEN l.kind = 0 THEN 0 ELSE 1 END::smallint ORDER BY u.o), '{}'), array_agg(u.w ORDER BY u.o), array_agg(u.q ORDER BY u.o), array_agg(u.r ORDER BY u.o), array_agg(u.id ORDER BY u.o), array_agg(u.ia ORDER BY u.o), array_agg(u.ho ORDER BY u.o)
        INTO at_o, h, x, sl, k, sh, pr, ru, idl, ida, hol
        FROM unnest(p_pool[lo:hi], p_holder[lo:hi], p_id[lo:hi], p_slot[lo:hi], p_shown[lo:hi], p_priority[lo:hi], p_rules[lo:hi], p_idle[lo:hi], p_idle_after[lo:hi], p_hold[lo:hi]) WITH ORDINALITY u(p, h, i, s, w, q, r, id, ia, ho, o) LEFT JOIN lease l ON l.pool_id = v_pool AND l.holder = u.h
       WHERE u.p = v_pool;
      SELECT array_agg(o ORDER BY o) INTO at_o FROM unnest(at_o) o;
      SELECT * INTO b FROM seat_batch(v_pool, p_ttl_ms, h, coalesce(x, '{}'), k, CASE WHEN p_slot IS NULL THEN NULL ELSE sl END, NULL, NULL,
        gone, array_fill('P'::text, ARRAY[cardinality(gone)]), false, p_now, CASE WHEN p_shown IS NULL THEN NULL ELSE sh END,
        CASE WHEN p_priority IS NULL THEN NULL ELSE pr END, CASE WHEN p_rules IS NULL THEN NULL ELSE ru END,
        CASE WHEN p_idle IS NULL THEN NULL ELSE idl END, CASE WHEN p_idle_after IS NULL THEN NULL ELSE ida END, CASE WHEN p_hold IS NULL THEN NULL ELSE hol END);
      v_released := v_released + length(replace(b.r_codes, 'N', ''));
      IF b.o_reaped > 0 OR b.o_idled > 0 OR b.r_codes ~ '[XL]' THEN
        pools := pools || CASE WHEN pools = '' THEN '' ELSE ',' END || v_pool || ':' || length(replace(b.r_codes, 'N', '')) || ':' || b.o_reaped || ':' || b.o_idled;
      END IF;
      IF b.o_rules IS NOT NULL THEN
        FOR i IN 1 .. coalesce(cardinality(at_o), 0) LOOP lim[lo + at_o[i] - 1] := nullif(split_part(b.o_rules, ',', i), ''); END LOOP;
      END IF;
      rn := string_to_array(b.ids, ',');
      DECLARE next_rn int := 1;
      BEGIN
        FOR i IN 1 .. coalesce(cardinality(at_o), 0) LOOP
          code[lo + at_o[i] - 1] := substr(b.codes, i, 1);
          CASE substr(b.codes, i, 1)
            WHEN 'G', 'O' THEN lid[lo + at_o[i] - 1] := x[i]::text;
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
  IF p_rules IS NOT NULL THEN o_rules := array_to_string(lim, ',', ''); END IF;
  released := array_to_string(rel, ',');
END $$;

CREATE FUNCTION public.report_unchanged(p_base text[], p_len integer[], p_pool smallint[], p_holder text[], p_now timestamp with time zone, p_idle boolean[] DEFAULT NULL::boolean[], OUT changed text, OUT ids text, OUT o_now_ms bigint) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE t timestamptz; n int; lo int := 1; hi int; v_ids text; v_known int; v_held int;
BEGIN
  changed := ''; ids := '';
  -- the lock keeps a clearing of stale seats away from these bases
  PERFORM FROM base b WHERE b.base = ANY(p_base) ORDER BY b.base FOR UPDATE;
  t := coalesce(p_now, clock_timestamp()); o_now_ms := extract(epoch FROM t) * 1000;
  FOR n IN 1 .. cardinality(p_base) LOOP
    hi := lo + p_len[n] - 1;
    SELECT count(*), string_agg(l.lease_id::text, ',' ORDER BY u.o) INTO v_known, v_ids
      FROM unnest(p_pool[lo:hi], p_holder[lo:hi], p_idle[lo:hi]) WITH ORDINALITY u(p, h, w, o)
      CROSS JOIN LATERAL (SELECT x.lease_id FROM lease x WHERE x.pool_id = u.p AND x.holder = u.h AND x.kind = 1
        AND (x.idle_after IS NULL OR (x.idle_from IS NOT NULL) = (u.w IS TRUE)) OFFSET 0) l; -- OFFSET 0: a look-up each, never a scan
    SELECT count(*) INTO v_held FROM pool p CROSS JOIN LATERAL (SELECT FROM lease x WHERE x.pool_id = p.pool_id AND x.kind > 0
       AND x.holder >= p_base[n] || chr(31) AND x.holder < p_base[n] || chr(32) OFFSET 0) l;
    IF v_known = p_len[n] AND v_held = p_len[n] THEN
      changed := changed || '='; ids := ids || CASE WHEN v_ids IS NULL THEN '' WHEN ids = '' THEN v_ids ELSE ',' || v_ids END;
    ELSE changed := changed || 'S'; END IF;
    lo := hi + 1;
  END LOOP;
  UPDATE base b SET seen_at = t FROM unnest(p_base, string_to_array(changed, NULL)) u(b, c) WHERE b.base = u.b AND u.c = '=';
END $$;

CREATE FUNCTION public.sample_usage(p_pool smallint) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE p record; t timestamptz; v_step int; v_denied int;
BEGIN
  SELECT * INTO p FROM pool WHERE pool_id = p_pool FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  t := clock_timestamp();
  DELETE FROM denial_tally d WHERE d.product = p.product RETURNING d.n INTO v_denied;
  FOREACH v_step IN ARRAY ARRAY[60, 3600, 86400] LOOP
    INSERT INTO usage AS u (product, step_seconds, at, seat_limit, peak, mean, samples, stale, denied)
    VALUES (p.product, v_step, step_begin(v_step, t), p.seat_limit, greatest(p.peak, p.in_use), p.in_use, 1, p.stale, coalesce(v_denied, 0))
    ON CONFLICT (product, step_seconds, at) DO UPDATE SET seat_limit = greatest(u.seat_limit, excluded.seat_limit),
      peak = greatest(u.peak, excluded.peak), mean = (u.mean * u.samples + excluded.mean) / (u.samples + 1), samples = u.samples + 1,
      stale = greatest(u.stale, excluded.stale), denied = u.denied + excluded.denied;
  END LOOP;
  IF p.peak <> p.in_use THEN UPDATE pool SET peak = in_use WHERE pool_id = p_pool; END IF;
END $$;

CREATE FUNCTION public.seat_batch(p_pool smallint, p_ttl_ms integer, p_holder text[], p_id uuid[], p_kind smallint[], p_slot smallint[], p_queue_ms integer[], p_subject text[], r_id uuid[], r_code text[], p_touch boolean, p_now timestamp with time zone, p_shown text[] DEFAULT NULL::text[], p_priority integer[] DEFAULT NULL::integer[], p_rules text[] DEFAULT NULL::text[], p_idle boolean[] DEFAULT NULL::boolean[], p_idle_after integer[] DEFAULT NULL::integer[], p_hold integer[] DEFAULT NULL::integer[], OUT codes text, OUT ids text, OUT r_codes text, OUT places text, OUT o_in_use integer, OUT o_limit integer, OUT o_reaped integer, OUT o_now_ms bigint, OUT o_reserved integer, OUT o_waiting integer, OUT o_rules text, OUT o_idled integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  t timestamptz; v_next timestamptz; v_next0 timestamptz; v_frozen timestamptz; v_end timestamptz; v_waiting int; v_reserved int[]; v_by text; v_weights jsonb; v_over int; v_product text; v_asking timestamptz; v_lingers boolean;
  n_claim int := cardinality(p_holder); n_rel int := cardinality(r_id);
  n_del int := 0; n_got int := 0; n_free int; rel uuid[];
  rn_h text[]; rn_id text[]; got text[]; q_h text[] := p_holder; q_id uuid[] := p_id; q_kind smallint[] := p_kind; q_sub text[] := p_subject;
  q_shown text[] := p_shown;
BEGIN
  codes := ''; ids := ''; r_codes := ''; places := ''; o_reaped := 0; o_reserved := 0; o_waiting := 0; o_idled := 0;
  -- 0. full, nothing due, nobody waits, no holder known: answered read-only by one snapshot (no lock, no transaction id, no fsync)
  IF n_rel = 0 AND p_queue_ms IS NULL AND p_slot IS NULL AND p_rules IS NULL THEN
    t := coalesce(p_now, clock_timestamp());
    SELECT p.in_use, p.seat_limit, CASE WHEN p.waiting > 0 THEN (SELECT count(*) FROM waiter w WHERE w.pool_id = p_pool AND w.live_until > t) ELSE 0 END
      INTO o_in_use, o_limit, o_waiting FROM pool p
     WHERE p.pool_id = p_pool AND p.in_use >= p.seat_limit + p.overdraft AND p.count_by IS NULL AND NOT p.lingers AND (p.next_expiry > t OR p.frozen_until > t)
       AND NOT EXISTS (SELECT FROM lease l WHERE l.pool_id = p_pool AND l.holder = ANY(p_holder))
       AND (p.waiting = 0 OR NOT EXISTS (SELECT FROM waiter w WHERE w.pool_id = p_pool AND w.holder = ANY(p_holder))); -- its priority may have changed
    IF FOUND THEN
      codes := repeat('D', n_claim); o_now_ms := extract(epoch FROM t) * 1000; RETURN;
    END IF;
  END IF;
  -- 1. the only lock that anybody waits for
  SELECT p.seat_limit, p.in_use, p.next_expiry, p.next_expiry, p.frozen_until, p.waiting, p.reserved, p.count_by, p.overdraft, p.product, p.asking_until, p.weights, p.lingers
    INTO o_limit, o_in_use, v_next, v_next0, v_frozen, v_waiting, v_reserved, v_by, v_over, v_product, v_asking, v_weights, v_lingers FROM pool p WHERE p.pool_id = p_pool FOR UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'unknown pool %', p_pool USING ERRCODE = 'P0002'; END IF;
  IF v_waiting > 0 OR v_reserved IS NOT NULL OR p_queue_ms IS NOT NULL OR v_by IS NOT NULL OR v_weights IS NOT NULL OR p_rules IS NOT NULL OR p_priority IS NOT NULL OR v_lingers OR p_idle IS NOT NULL OR (v_over > 0 AND n_claim > o_limit - o_in_use) THEN
    SELECT f.* INTO codes, ids, r_codes, places, o_in_use, o_limit, o_reaped, o_now_ms, o_reserved, o_waiting, o_rules, o_idled FROM seat_batch_ruled(
      p_pool, p_ttl_ms, p_holder, p_id, p_kind, p_slot, p_queue_ms, p_subject, r_id, r_code, p_touch, p_now, p_shown, p_priority, p_rules, p_idle, p_idle_after, p_hold) f;
    RETURN;
  END IF;
  t := coalesce(p_now, clock_timestamp()); o_now_ms := extract(epoch FROM t) * 1000; v_end := t + p_ttl_ms * interval '1 ms';
  -- 2. releases
  IF n_rel > 0 THEN
    WITH d AS (DELETE FROM lease l USING unnest(r_id, r_code) u(i, c) WHERE l.lease_id = u.i AND l.pool_id = p_pool RETURNING l.lease_id, l.holder, u.c),
         e AS (INSERT INTO event SELECT t, p_pool, c::"char", lease_id, holder FROM d)
    SELECT array_agg(lease_id) INTO rel FROM d;
    n_del := coalesce(cardinality(rel), 0); o_in_use := o_in_use - n_del;
    IF n_del = n_rel THEN r_codes := repeat('X', n_rel);
    ELSE SELECT string_agg(CASE WHEN i = ANY(rel) THEN 'X' ELSE 'N' END, '' ORDER BY o) INTO r_codes FROM unnest(r_id) WITH ORDINALITY u(i, o); END IF;
  END IF;
  IF n_claim > 0 THEN
    IF n_claim > o_limit - o_in_use THEN
      -- 3. tight: renew known holders first, reap what is due, keep only the newcomers that fit, in order of arrival
      WITH up AS (UPDATE lease l SET renewed_at = t, kind = u.k, expires_at = CASE u.k WHEN 0 THEN v_end ELSE 'infinity' END, subject = coalesce(u.s, l.subject)
                    FROM unnest(p_holder, p_kind, p_subject) u(h, k, s) WHERE l.pool_id = p_pool AND l.holder = u.h RETURNING l.holder, l.lease_id)
      SELECT array_agg(holder), array_agg(lease_id::text) INTO rn_h, rn_id FROM up;
      IF n_claim - coalesce(cardinality(rn_h), 0) > o_limit - o_in_use AND v_next <= t AND may_expire(t, v_frozen, p_now) THEN
        SELECT r.n, r.next_expiry INTO o_reaped, v_next FROM reap_locked(p_pool, t) r;
        o_in_use := o_in_use - o_reaped;
      END IF;
      n_free := greatest(o_limit - o_in_use, 0);
      SELECT coalesce(array_agg(h ORDER BY o), '{}'), array_agg(i ORDER BY o), array_agg(k ORDER BY o), CASE WHEN p_subject IS NULL THEN NULL ELSE array_agg(s ORDER BY o) END,
             CASE WHEN p_shown IS NULL THEN NULL ELSE array_agg(w ORDER BY o) END
        INTO q_h, q_id, q_kind, q_sub, q_shown
        FROM (SELECT * FROM unnest(p_holder, p_id, p_kind, p_subject, p_shown) WITH ORDINALITY u(h, i, k, s, w, o)
               WHERE rn_h IS NULL OR NOT (h = ANY(rn_h)) ORDER BY o LIMIT n_free) w;
    END IF;
    -- 4. grant; ON CONFLICT makes the common path one statement whose plan does not depend on table statistics
    IF cardinality(q_h) > 0 THEN
      WITH i AS (INSERT INTO lease AS l (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder, subject, shown)
                 SELECT p_pool, k, i, t, t, CASE k WHEN 0 THEN v_end ELSE 'infinity' END, h, s, w FROM unnest(q_id, q_h, q_kind, q_sub, q_shown) u(i, h, k, s, w)
                 ON CONFLICT (pool_id, holder) DO UPDATE SET renewed_at = t, kind = excluded.kind, expires_at = excluded.expires_at, subject = coalesce(excluded.subject, l.subject)
                 RETURNING l.holder, l.lease_id, (l.xmax = 0) AS is_new),
           e AS (INSERT INTO event SELECT t, p_pool, 'G', lease_id, holder FROM i WHERE is_new)
      SELECT array_agg(holder) FILTER (WHERE is_new), rn_h || array_agg(holder) FILTER (WHERE NOT is_new), rn_id || array_agg(lease_id::text) FILTER (WHERE NOT is_new)
        INTO got, rn_h, rn_id FROM i;
      n_got := coalesce(cardinality(got), 0); o_in_use := o_in_use + n_got;
      IF n_got > 0 AND v_asking > t THEN PERFORM end_denials(v_product, got, t); END IF;
    END IF;
    -- also for renewals: one that turns from sticky to leased shortens its lease
    IF 0 = ANY(p_kind) AND (n_got > 0 OR rn_h IS NOT NULL) THEN v_next := least(v_next, v_end); END IF;
    IF n_got = n_claim THEN codes := repeat('G', n_claim);
    ELSE
      SELECT string_agg(CASE WHEN p.x IS NOT NULL THEN 'R' WHEN h = ANY(got) THEN 'G' ELSE 'D' END, '' ORDER BY o), coalesce(string_agg(rn_id[p.x], ',' ORDER BY o), '')
        INTO codes, ids FROM unnest(p_holder) WITH ORDINALITY u(h, o) LEFT JOIN LATERAL (SELECT array_position(rn_h, h) x) p ON true;
    END IF;
  END IF;
  -- 5. counters: HOT update of a fillfactor-10 row
  IF n_del > 0 OR o_reaped > 0 OR n_got > 0 OR v_next <> v_next0 THEN
    UPDATE pool p SET in_use = o_in_use, next_expiry = v_next, peak = greatest(p.peak, o_in_use) WHERE p.pool_id = p_pool;
  END IF;
  IF p_touch THEN PERFORM touch_bases(p_holder, p_kind, codes, t); END IF;
END $$;

CREATE FUNCTION public.seat_batch_ruled(p_pool smallint, p_ttl_ms integer, p_holder text[], p_id uuid[], p_kind smallint[], p_slot smallint[], p_queue_ms integer[], p_subject text[], r_id uuid[], r_code text[], p_touch boolean, p_now timestamp with time zone, p_shown text[], p_priority integer[], p_rules text[], p_idle boolean[] DEFAULT NULL::boolean[], p_idle_after integer[] DEFAULT NULL::integer[], p_hold integer[] DEFAULT NULL::integer[], OUT codes text, OUT ids text, OUT r_codes text, OUT places text, OUT o_in_use integer, OUT o_limit integer, OUT o_reaped integer, OUT o_now_ms bigint, OUT o_reserved integer, OUT o_waiting integer, OUT o_rules text, OUT o_idled integer) RETURNS record
    LANGUAGE plpgsql
    AS $$
DECLARE
  t timestamptz := coalesce(p_now, clock_timestamp()); v_end timestamptz := t + p_ttl_ms * interval '1 ms';
  v_next timestamptz; v_frozen timestamptz; res int[]; used int[]; v_by text; v_over int; v_product text; v_asking timestamptz;
  v_weights jsonb; sz int[]; q_need int[]; need_behind int; v_need int; v_kept int; rel_s smallint[];
  n_claim int := cardinality(p_holder); n int; s smallint; v_slots smallint[]; rel uuid[]; rel_h text[]; rn_id text[];
  -- one entry a claim
  code text[]; rid text[]; place text[]; lim text[]; t_lo int[]; pidx int[];
  -- one entry a newcomer, in the order in which they are served
  q int[]; q_ticket bigint[]; q_ahead int[];
  -- one entry a cap
  c_most int[]; c_key text[]; c_tally int[];
  -- one entry a tally, and one a part, that the newcomers name: as stored, and what this batch adds
  ta text[]; ta_used int[]; ta_plus int[]; pt text[]; pt_leases int[]; pt_slot smallint[]; pt_plus int[]; pt_tallies text[];
  v_in_use int; v_used int[]; n_wait int; n_behind int; i int; j int; k int; x int; k_general int; v_slot smallint; v_take smallint; v_over_it boolean; v_rule int; v_shared boolean;
  v_general int; v_ahead int; v_refused boolean; g int[]; g_slot smallint[]; w int[]; gone int[];
  -- one entry an idle seat, the longest idle first (part NULL: given up already); what this batch gives up; a trial
  id_part text[]; id_size int[]; id_slot smallint[]; give text[]; y_in_use int; y_used int[]; y_pick int[]; may_idle boolean; v_lingers boolean; v_named boolean; has_seat boolean[]; kept uuid[]; v_held timestamptz; reaped boolean := false; gone_h text[]; h text;
BEGIN
  codes := ''; ids := ''; r_codes := ''; places := ''; o_rules := ''; o_reaped := 0; o_idled := 0; o_now_ms := extract(epoch FROM t) * 1000;
  SELECT p.seat_limit, p.in_use, p.next_expiry, p.frozen_until, coalesce(p.reserved, '{}'), coalesce(p.reserved_used, '{}'), p.count_by, p.overdraft, p.product, p.asking_until, p.weights, p.lingers, p.named
    INTO o_limit, o_in_use, v_next, v_frozen, res, used, v_by, v_over, v_product, v_asking, v_weights, v_lingers, v_named FROM pool p WHERE p.pool_id = p_pool;
  IF cardinality(used) < cardinality(res) THEN used := used || array_fill(0, ARRAY[cardinality(res) - cardinality(used)]); END IF;

  -- 1. releases
  IF cardinality(r_id) > 0 THEN
    IF v_lingers THEN -- given back before its time: it lingers
      WITH k AS (UPDATE lease l SET kind = -3, expires_at = l.held_until, idle_from = NULL FROM unnest(r_id, r_code) u(i, c)
                  WHERE l.lease_id = u.i AND l.pool_id = p_pool AND u.c IN ('X', 'P') AND l.kind <> -3 AND l.held_until > t RETURNING l.lease_id, l.held_until)
      SELECT array_agg(k.lease_id), min(k.held_until) INTO kept, v_held FROM k;
      v_next := least(v_next, v_held);
    END IF;
    WITH d AS (DELETE FROM lease l USING unnest(r_id, r_code) u(i, c) WHERE l.lease_id = u.i AND l.pool_id = p_pool AND (l.kind <> -3 OR u.c NOT IN ('X', 'P')) RETURNING l.lease_id, l.holder, l.slot, u.c),
         e AS (INSERT INTO event SELECT t, p_pool, c::"char", lease_id, holder FROM d)
    SELECT array_agg(lease_id), array_agg(holder), array_agg(slot), array_agg(slot) FILTER (WHERE slot > 0), count(*) INTO rel, rel_h, rel_s, v_slots, n FROM d;
    IF n > 0 AND v_by IS NOT NULL THEN SELECT f.n, f.slots INTO n, v_slots FROM free_seats(p_pool, v_by, v_weights, rel_h) f;
    ELSIF n > 0 AND v_weights IS NOT NULL THEN SELECT f.n, f.slots INTO n, v_slots FROM sizes_of(v_weights, rel_h, rel_s) f; END IF;
    o_in_use := o_in_use - n;
    FOREACH s IN ARRAY coalesce(v_slots, '{}') LOOP IF s <= cardinality(used) THEN used[s] := used[s] - 1; END IF; END LOOP;
    SELECT string_agg(CASE WHEN u.i = ANY(rel) THEN 'X' WHEN u.i = ANY(kept) THEN 'L' ELSE 'N' END, '' ORDER BY u.o) INTO r_codes FROM unnest(r_id) WITH ORDINALITY u(i, o);
  END IF;

  -- 2. who holds a seat keeps it; who asks no more, waits no more
  DELETE FROM waiter x WHERE x.pool_id = p_pool AND x.live_until <= t;
  SELECT count(*), count(*) FILTER (WHERE x.priority <> 0) INTO n_wait, n FROM waiter x WHERE x.pool_id = p_pool;
  IF n_claim > 0 THEN
    code := array_fill(NULL::text, ARRAY[n_claim]); rid := code; place := code; lim := code;
    IF v_weights IS NULL THEN sz := array_fill(1, ARRAY[n_claim]);
    ELSE SELECT array_agg(size_of(u.h, v_weights) ORDER BY u.o) INTO sz FROM unnest(p_holder) WITH ORDINALITY u(h, o); END IF;
    WITH up AS (UPDATE lease l SET renewed_at = t, kind = CASE WHEN l.kind IN (-1, -2) AND l.expires_at > t THEN l.kind ELSE u.k END, -- what is borrowed is promised to its end
                  expires_at = CASE WHEN l.kind IN (-1, -2) AND l.expires_at > t THEN l.expires_at WHEN u.k = 0 THEN v_end ELSE 'infinity' END, subject = coalesce(u.s, l.subject),
                  idle_from = CASE WHEN u.w THEN coalesce(l.idle_from, t + l.idle_after * interval '1 s') END
                  FROM unnest(p_holder, p_kind, p_subject, p_idle) WITH ORDINALITY u(h, k, s, w, o) WHERE l.pool_id = p_pool AND l.holder = u.h RETURNING u.o, u.k, l.lease_id)
    SELECT array_agg(up.o::int), array_agg(up.lease_id::text), coalesce(bool_or(up.k = 0), false) INTO q, rn_id, v_refused FROM up;
    FOR k IN 1 .. coalesce(cardinality(q), 0) LOOP code[q[k]] := 'R'; rid[q[k]] := rn_id[k]; END LOOP;
    IF v_refused THEN v_next := least(v_next, v_end); END IF; -- one that turns from sticky to leased shortens its lease
    q := NULL;
    IF n > 0 OR (n_wait > 0 AND p_priority IS NOT NULL) THEN
      UPDATE waiter x SET priority = coalesce(u.p, 0) FROM unnest(p_holder, p_priority) u(h, p) WHERE x.pool_id = p_pool AND x.holder = u.h AND x.priority <> coalesce(u.p, 0);
    END IF;

    -- 3. what the newcomers' cases depend on
    IF n_wait = 0 THEN
      SELECT array_agg(u.o ORDER BY coalesce(u.p, 0) DESC, u.o) INTO q FROM unnest(code, p_priority) WITH ORDINALITY u(c, p, o) WHERE u.c IS NULL AND u.o <= n_claim;
    ELSE
      SELECT array_agg(y.o ORDER BY y.p DESC, y.ticket NULLS LAST, y.o), array_agg(y.ticket ORDER BY y.p DESC, y.ticket NULLS LAST, y.o), array_agg(y.ahead ORDER BY y.p DESC, y.ticket NULLS LAST, y.o), array_agg(y.need ORDER BY y.p DESC, y.ticket NULLS LAST, y.o)
        INTO q, q_ticket, q_ahead, q_need FROM (
        SELECT u.o, coalesce(u.p, 0) AS p, x.ticket, a.ahead, a.need
          FROM unnest(p_holder, code, p_priority) WITH ORDINALITY u(h, c, p, o)
          LEFT JOIN LATERAL (SELECT z.ticket FROM waiter z WHERE z.pool_id = p_pool AND z.holder = u.h OFFSET 0) x ON true
          CROSS JOIN LATERAL (SELECT count(*)::int AS ahead, (CASE WHEN v_weights IS NULL THEN count(*) ELSE coalesce(sum(size_of(z.holder, v_weights)), 0) END)::int AS need
            FROM waiter z WHERE z.pool_id = p_pool AND z.holder <> ALL(p_holder)
             AND (z.priority > coalesce(u.p, 0) OR z.priority = coalesce(u.p, 0) AND z.ticket < coalesce(x.ticket, 9223372036854775807))) a WHERE u.c IS NULL AND u.o <= n_claim) y;
    END IF;
    IF q IS NOT NULL AND p_rules IS NOT NULL THEN
      t_lo := array_fill(1, ARRAY[n_claim + 1]);
      SELECT array_agg(split_part(y.e, ':', 1)::int ORDER BY y.o, y.j), array_agg(substr(y.e, strpos(y.e, ':') + 1) ORDER BY y.o, y.j), array_agg(y.r ORDER BY y.o, y.j)
        INTO c_most, c_key, c_tally
        FROM (SELECT u.o, v.j, v.e, dense_rank() OVER (ORDER BY substr(v.e, strpos(v.e, ':') + 1) COLLATE "C")::int AS r
                FROM unnest(p_rules) WITH ORDINALITY u(r, o) CROSS JOIN LATERAL unnest(string_to_array(u.r, chr(30))) WITH ORDINALITY v(e, j)) y;
      x := 1;
      FOR i IN 1 .. n_claim LOOP
        t_lo[i] := x;
        IF p_rules[i] IS NOT NULL THEN x := x + 1 + length(p_rules[i]) - length(replace(p_rules[i], chr(30), '')); END IF;
      END LOOP;
      t_lo[n_claim + 1] := x;
      SELECT array_agg(y.k ORDER BY y.r) INTO ta FROM (SELECT DISTINCT u.k, u.r FROM unnest(c_key, c_tally) u(k, r)) y;
    END IF;
    IF q IS NOT NULL AND v_by IS NOT NULL THEN
      SELECT array_agg(y.r ORDER BY y.o) INTO pidx FROM (
        SELECT u.o, dense_rank() OVER (ORDER BY part_of(u.h, v_by) COLLATE "C")::int AS r FROM unnest(p_holder) WITH ORDINALITY u(h, o)) y;
      SELECT array_agg(y.part ORDER BY y.r) INTO pt FROM (SELECT DISTINCT u.r, part_of(u.h, v_by) AS part FROM unnest(pidx, p_holder) u(r, h)) y;
    END IF;

    IF q IS NOT NULL AND v_named THEN
      SELECT array_agg(EXISTS (SELECT FROM assignment a WHERE a.pool_id = p_pool AND a.person = split_part(u.h, chr(31), 2)) ORDER BY u.o) INTO has_seat FROM unnest(p_holder) WITH ORDINALITY u(h, o);
    END IF;

    -- 4. decide; when somebody would be refused or get a seat beyond the limit, expired seats are given up, then as many idle ones as help, and all is decided once more
    may_idle := v_lingers AND v_next > t AND may_expire(t, v_frozen, p_now);
    FOR v_try IN 1 .. 20 LOOP
      EXIT WHEN q IS NULL;
      IF v_try = 20 THEN may_idle := false; END IF;
      give := '{}'; id_part := NULL;
      v_in_use := o_in_use; v_used := used; n_behind := 0; need_behind := 0; v_refused := false; g := '{}'; g_slot := '{}'; w := '{}'; gone := '{}';
      IF ta IS NOT NULL THEN
        SELECT array_agg(coalesce(y.used, 0) ORDER BY u.o) INTO ta_used FROM unnest(ta) WITH ORDINALITY u(k, o)
          LEFT JOIN LATERAL (SELECT z.used FROM tally z WHERE z.pool_id = p_pool AND z.key = u.k OFFSET 0) y ON true;
        ta_plus := array_fill(0, ARRAY[cardinality(ta)]);
      END IF;
      IF pt IS NOT NULL THEN
        SELECT array_agg(coalesce(y.leases, 0) ORDER BY u.o), array_agg(coalesce(y.slot, 0::smallint) ORDER BY u.o) INTO pt_leases, pt_slot FROM unnest(pt) WITH ORDINALITY u(k, o)
          LEFT JOIN LATERAL (SELECT z.leases, z.slot FROM seat z WHERE z.pool_id = p_pool AND z.part = u.k OFFSET 0) y ON true;
        pt_plus := array_fill(0, ARRAY[cardinality(pt)]); pt_tallies := array_fill(NULL::text, ARRAY[cardinality(pt)]);
      END IF;
      FOR k IN 1 .. cardinality(q) LOOP
        i := q[k]; v_take := NULL; v_over_it := false; v_rule := NULL; v_shared := false;
        IF v_named AND NOT has_seat[i] THEN
          code[i] := 'A';
          IF q_ticket[k] IS NOT NULL THEN gone := gone || i; END IF;
          CONTINUE;
        END IF;
        IF pt IS NOT NULL THEN v_shared := pt_leases[pidx[i]] + pt_plus[pidx[i]] > 0; END IF;
        IF t_lo IS NOT NULL THEN
          FOR j IN t_lo[i] .. t_lo[i + 1] - 1 LOOP
            IF (v_shared AND c_most[j] = 0) OR (NOT v_shared AND ta_used[c_tally[j]] + ta_plus[c_tally[j]] + sz[i] > c_most[j]) THEN v_rule := j - t_lo[i] + 1; EXIT; END IF;
          END LOOP;
        END IF;
        IF v_rule IS NOT NULL THEN
          code[i] := 'L'; lim[i] := v_rule::text; v_refused := true;
          IF q_ticket[k] IS NOT NULL THEN gone := gone || i; END IF;
          CONTINUE;
        END IF;
        v_ahead := coalesce(q_ahead[k], 0) + n_behind; v_need := coalesce(q_need[k], 0) + need_behind + sz[i];
        IF v_shared THEN v_take := pt_slot[pidx[i]];
        ELSE
          v_slot := coalesce(p_slot[i], 0);
          IF v_slot BETWEEN 1 AND cardinality(res) AND v_in_use + sz[i] <= o_limit AND v_used[v_slot] + sz[i] <= res[v_slot] THEN v_take := v_slot;
          ELSE
            v_general := o_limit - v_in_use;
            IF cardinality(res) > 0 THEN FOR x IN 1 .. cardinality(res) LOOP v_general := v_general + v_used[x] - greatest(res[x], v_used[x]); END LOOP; END IF;
            IF v_general >= v_need THEN v_take := 0; END IF;
            IF v_take IS NULL AND may_idle AND p_idle[i] IS NOT TRUE THEN
              IF id_part IS NULL THEN SELECT coalesce(z.parts, '{}'), z.sizes, z.slots INTO id_part, id_size, id_slot FROM idle_seats(p_pool, v_by, v_weights, t) z; END IF;
              y_in_use := v_in_use; y_used := v_used; y_pick := '{}';
              FOR j IN 1 .. cardinality(id_part) LOOP
                CONTINUE WHEN id_part[j] IS NULL OR id_slot[j] NOT IN (0, v_slot);
                x := array_position(pt, id_part[j]);
                CONTINUE WHEN x IS NOT NULL AND pt_plus[x] > 0; -- somebody shares it by now
                y_in_use := y_in_use - id_size[j]; y_pick := y_pick || j;
                IF id_slot[j] BETWEEN 1 AND cardinality(res) THEN y_used[id_slot[j]] := y_used[id_slot[j]] - id_size[j]; END IF;
                IF v_slot BETWEEN 1 AND cardinality(res) AND y_in_use + sz[i] <= o_limit AND y_used[v_slot] + sz[i] <= res[v_slot] THEN v_take := v_slot;
                ELSE
                  k_general := o_limit - y_in_use;
                  IF cardinality(res) > 0 THEN FOR x IN 1 .. cardinality(res) LOOP k_general := k_general + y_used[x] - greatest(res[x], y_used[x]); END LOOP; END IF;
                  IF k_general >= v_need THEN v_take := 0; END IF;
                END IF;
                EXIT WHEN v_take IS NOT NULL;
              END LOOP;
              IF v_take IS NOT NULL THEN
                v_in_use := y_in_use; v_used := y_used;
                FOREACH j IN ARRAY y_pick LOOP
                  x := array_position(pt, id_part[j]);
                  IF x IS NOT NULL THEN pt_leases[x] := 0; END IF;
                  give := give || id_part[j]; id_part[j] := NULL;
                END LOOP;
              END IF;
            END IF;
            IF v_take IS NULL AND v_in_use >= o_limit AND v_in_use + v_need <= o_limit + v_over THEN v_take := 0; v_over_it := true; v_refused := true; END IF;
          END IF;
        END IF;
        IF v_take IS NOT NULL THEN
          code[i] := CASE WHEN v_over_it THEN 'O' ELSE 'G' END;
          g := g || i; g_slot := g_slot || v_take;
          IF pt IS NOT NULL THEN pt_plus[pidx[i]] := pt_plus[pidx[i]] + 1; END IF;
          IF NOT v_shared THEN
            v_in_use := v_in_use + sz[i];
            IF v_take > 0 THEN v_used[v_take] := v_used[v_take] + sz[i]; END IF;
            IF pt IS NOT NULL THEN
              pt_slot[pidx[i]] := v_take;
              IF t_lo IS NOT NULL AND t_lo[i] < t_lo[i + 1] THEN
                pt_tallies[pidx[i]] := array_to_string(c_key[t_lo[i] : t_lo[i + 1] - 1], chr(30));
                FOR j IN t_lo[i] .. t_lo[i + 1] - 1 LOOP ta_plus[c_tally[j]] := ta_plus[c_tally[j]] + sz[i]; END LOOP;
              END IF;
            END IF;
          END IF;
          IF q_ticket[k] IS NOT NULL THEN gone := gone || i; END IF;
        ELSE
          -- what is true of the refusal: taken, reserVed for others, or in the Queue before this one
          code[i] := CASE WHEN v_in_use + sz[i] > o_limit THEN 'D' WHEN v_general < sz[i] THEN 'V' ELSE 'Q' END;
          v_refused := true;
          IF sz[i] > 1 THEN -- more than could ever be free: nobody waits behind it
            SELECT coalesce(sum(u.r), 0) INTO v_kept FROM unnest(res) u(r);
            IF sz[i] > greatest(o_limit - v_kept, v_over, CASE WHEN v_slot BETWEEN 1 AND cardinality(res) THEN res[v_slot] ELSE 0 END) THEN
              IF q_ticket[k] IS NOT NULL THEN gone := gone || i; END IF;
              CONTINUE;
            END IF;
          END IF;
          IF p_queue_ms[i] > 0 THEN place[i] := (v_ahead + 1)::text; w := w || i; END IF;
          IF p_queue_ms[i] > 0 OR q_ticket[k] IS NOT NULL THEN n_behind := n_behind + 1; need_behind := need_behind + sz[i]; END IF;
        END IF;
      END LOOP;
      IF cardinality(give) > 0 THEN
        SELECT y.holders, y.freed, y.free_slots INTO gone_h, n, v_slots FROM give_up_idle(p_pool, v_by, v_weights, give, t) y;
        o_idled := o_idled + coalesce(cardinality(gone_h), 0);
        FOREACH h IN ARRAY coalesce(gone_h, '{}') LOOP -- one that was renewed by this very batch
          x := array_position(p_holder, h);
          IF x IS NOT NULL THEN code[x] := 'D'; rid[x] := NULL; END IF;
        END LOOP;
      ELSE
        EXIT WHEN NOT v_refused OR reaped OR v_next > t OR NOT may_expire(t, v_frozen, p_now);
        SELECT y.n, y.next_expiry, y.slots, y.freed, y.n - y.lingered INTO x, v_next, v_slots, n, o_reaped FROM reap_locked(p_pool, t, v_by, v_weights) y;
        EXIT WHEN x = 0 AND NOT v_lingers;
        may_idle := v_lingers; reaped := true;
      END IF;
      o_in_use := o_in_use - n;
      FOREACH s IN ARRAY coalesce(v_slots, '{}') LOOP IF s <= cardinality(used) THEN used[s] := used[s] - 1; END IF; END LOOP;
      place := array_fill(NULL::text, ARRAY[n_claim]); lim := place;
    END LOOP;

    -- 5. write
    IF q IS NOT NULL THEN o_in_use := v_in_use; used := v_used; END IF;
    IF cardinality(g) > 0 THEN
      INSERT INTO lease (pool_id, kind, slot, lease_id, acquired_at, renewed_at, expires_at, holder, subject, shown, idle_after, idle_from, held_until)
        SELECT p_pool, p_kind[u.i], u.s, p_id[u.i], t, t, CASE p_kind[u.i] WHEN 0 THEN v_end ELSE 'infinity' END, p_holder[u.i], p_subject[u.i], p_shown[u.i],
               p_idle_after[u.i], CASE WHEN p_idle[u.i] THEN t + p_idle_after[u.i] * interval '1 s' END, t + p_hold[u.i] * interval '1 s' FROM unnest(g, g_slot) u(i, s);
      INSERT INTO event SELECT t, p_pool, code[u.i]::"char", p_id[u.i], p_holder[u.i] FROM unnest(g) u(i);
      FOREACH i IN ARRAY g LOOP IF p_kind[i] = 0 THEN v_next := least(v_next, v_end); EXIT; END IF; END LOOP;
      IF pt IS NOT NULL THEN
        INSERT INTO seat AS z (pool_id, part, leases, slot, tallies) SELECT p_pool, u.p, u.n, u.s, u.r FROM unnest(pt, pt_plus, pt_slot, pt_tallies) u(p, n, s, r) WHERE u.n > 0
          ON CONFLICT (pool_id, part) DO UPDATE SET leases = z.leases + excluded.leases;
        IF ta_plus IS NOT NULL AND v_by IS NOT NULL THEN
          INSERT INTO tally AS z (pool_id, key, used) SELECT p_pool, u.k, u.n FROM unnest(ta, ta_plus) u(k, n) WHERE u.n > 0
            ON CONFLICT (pool_id, key) DO UPDATE SET used = z.used + excluded.used;
        END IF;
      END IF;
      IF v_asking > t THEN PERFORM end_denials(v_product, ARRAY(SELECT p_holder[u.i] FROM unnest(g) u(i)), t); END IF;
    END IF;
    IF cardinality(gone) > 0 THEN
      DELETE FROM waiter z WHERE z.pool_id = p_pool AND z.holder = ANY(ARRAY(SELECT p_holder[u.i] FROM unnest(gone) u(i)));
    END IF;
    IF cardinality(w) > 0 THEN
      INSERT INTO waiter AS z (pool_id, holder, since, live_until, priority)
        SELECT p_pool, p_holder[u.i], t, t + p_queue_ms[u.i] * interval '1 ms', coalesce(p_priority[u.i], 0) FROM unnest(w) WITH ORDINALITY u(i, o) ORDER BY u.o
        ON CONFLICT (pool_id, holder) DO UPDATE SET live_until = excluded.live_until;
    END IF;
    codes := array_to_string(code, ''); ids := array_to_string(rid, ','); places := array_to_string(place, ',', ''); o_rules := array_to_string(lim, ',', '');
  END IF;
  IF n_wait > 0 OR cardinality(w) > 0 THEN SELECT count(*) INTO n_wait FROM waiter x WHERE x.pool_id = p_pool; END IF;
  o_waiting := n_wait;
  IF v_named AND n_claim > 0 THEN -- to the hour
    UPDATE assignment a SET used_at = t FROM unnest(p_holder, code) u(h, c)
     WHERE a.pool_id = p_pool AND a.person = split_part(u.h, chr(31), 2) AND u.c IN ('G', 'R', 'O') AND (a.used_at IS NULL OR a.used_at < t - interval '1 hour');
  END IF;
  SELECT greatest(least(o_limit - o_in_use, coalesce(sum(greatest(re - us, 0)), 0)), 0) INTO o_reserved FROM unnest(res, used) y(re, us);
  UPDATE pool p SET in_use = o_in_use, next_expiry = v_next, peak = greatest(p.peak, o_in_use), waiting = o_waiting,
         reserved_used = CASE WHEN p.reserved IS NULL THEN NULL ELSE used END WHERE p.pool_id = p_pool;
  IF p_touch THEN PERFORM touch_bases(p_holder, p_kind, codes, t); END IF;
END $$;

CREATE FUNCTION public.silent_bases(p_after interval, t timestamp with time zone, p_base text[] DEFAULT NULL::text[]) RETURNS TABLE(base text, last_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$
  SELECT b.base, greatest(b.seen_at, x.renewed_at) FROM (SELECT silent_before(p_after, t) AS at OFFSET 0) s CROSS JOIN base b
   CROSS JOIN LATERAL (SELECT max(l.at) AS renewed_at FROM pool p CROSS JOIN LATERAL (SELECT max(r.renewed_at) AS at FROM lease r
      WHERE r.pool_id = p.pool_id AND r.holder >= b.base || chr(31) AND r.holder < b.base || chr(32)) l) x
   WHERE b.seen_at <= s.at AND x.renewed_at <= s.at AND (p_base IS NULL OR b.base = ANY(p_base))
$$;

CREATE FUNCTION public.silent_before(p_after interval, t timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE o record; v timestamptz := t - p_after;
BEGIN
  FOR o IN SELECT x.began_at, x.ended_at FROM outage x WHERE x.ended_at <= t ORDER BY x.ended_at DESC LOOP
    EXIT WHEN o.ended_at <= v;
    v := v - (o.ended_at - o.began_at);
  END LOOP;
  RETURN v;
END $$;

CREATE FUNCTION public.silent_from(p_last timestamp with time zone, p_after interval) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE o record; v timestamptz := p_last + p_after;
BEGIN
  FOR o IN SELECT x.began_at, x.ended_at FROM outage x WHERE x.ended_at > p_last ORDER BY x.began_at LOOP
    EXIT WHEN o.began_at >= v;
    v := v + (o.ended_at - o.began_at);
  END LOOP;
  RETURN v;
END $$;

CREATE FUNCTION public.size_of(h text, p_weights jsonb) RETURNS integer
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT coalesce(nullif(split_part(h, chr(31), 6), '')::int, 1) * coalesce((p_weights ->> split_part(h, chr(31), 5))::int, 1)
$$;

CREATE FUNCTION public.sizes_of(p_weights jsonb, p_holder text[], p_slot smallint[], OUT n integer, OUT slots smallint[]) RETURNS record
    LANGUAGE plpgsql
    AS $$
BEGIN
  SELECT coalesce(sum(size_of(u.h, p_weights)), 0) INTO n FROM unnest(p_holder) u(h);
  SELECT array_agg(u.s) INTO slots FROM unnest(p_holder, p_slot) u(h, s), generate_series(1, size_of(u.h, p_weights)) WHERE u.s > 0;
END $$;

CREATE FUNCTION public.stale_leases(p_after interval, t timestamp with time zone, p_base text[] DEFAULT NULL::text[]) RETURNS TABLE(pool_id smallint, lease_id uuid, base text, last_at timestamp with time zone)
    LANGUAGE sql STABLE
    AS $$
  SELECT p.pool_id, l.lease_id, s.base, s.last_at FROM silent_bases(p_after, t, p_base) s CROSS JOIN pool p
   CROSS JOIN LATERAL (SELECT r.lease_id FROM lease r WHERE r.pool_id = p.pool_id AND r.kind > 0
      AND r.holder >= s.base || chr(31) AND r.holder < s.base || chr(32) OFFSET 0) l
$$;

CREATE FUNCTION public.step_begin(p_seconds integer, p_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS $$
  SELECT to_timestamp(946684800 + floor((extract(epoch FROM p_at) - 946684800) / p_seconds) * p_seconds)
$$;

CREATE FUNCTION public.tick(p_replica uuid, p_ttl_ms integer, p_start boolean, p_now timestamp with time zone, OUT gap_ms bigint, OUT froze boolean, OUT o_now_ms bigint) RETURNS record
    LANGUAGE sql
    AS $$
  SELECT gap_ms, froze, o_now_ms FROM beat(p_replica, p_ttl_ms, p_start, false, p_now)
$$;

CREATE FUNCTION public.touch_bases(p_holder text[], p_kind smallint[], codes text, t timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
  INSERT INTO base AS b (base, seen_at)
  SELECT DISTINCT split_part(h, chr(31), 1) COLLATE "C" AS b, t FROM unnest(p_holder, p_kind, string_to_array(codes, NULL)) u(h, k, c) WHERE k > 0 AND c IN ('G', 'R', 'O') ORDER BY b
  ON CONFLICT (base) DO UPDATE SET seen_at = greatest(b.seen_at, excluded.seen_at);
END $$;

CREATE FUNCTION public.write_off(p_id uuid) RETURNS timestamp with time zone
    LANGUAGE plpgsql
    AS $$
DECLARE v_end timestamptz;
BEGIN
  UPDATE lease l SET kind = -2 WHERE l.lease_id = p_id AND l.kind IN (-1, -2) RETURNING l.expires_at INTO v_end;
  RETURN v_end;
END $$;

CREATE TABLE public.assignment (
    pool_id smallint NOT NULL,
    person text NOT NULL COLLATE pg_catalog."C",
    shown text NOT NULL,
    assigned_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone
);

CREATE TABLE public.audit (
    audit_id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    reason text,
    request_id text,
    outcome text
);

ALTER TABLE public.audit ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.base (
    base text NOT NULL COLLATE pg_catalog."C",
    seen_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05');

CREATE TABLE public.base_owner (
    base text NOT NULL COLLATE pg_catalog."C",
    shown text NOT NULL,
    instance uuid,
    since timestamp with time zone NOT NULL,
    conflict text,
    rival uuid,
    conflict_at timestamp with time zone,
    CONSTRAINT base_owner_conflict_check CHECK ((conflict = ANY (ARRAY['instance'::text, 'reports'::text])))
);

CREATE TABLE public.clearing (
    id text NOT NULL,
    at timestamp with time zone NOT NULL,
    stale_before integer NOT NULL,
    cleared integer NOT NULL,
    kept integer NOT NULL,
    done boolean DEFAULT true NOT NULL
);

CREATE TABLE public.cluster (
    one boolean DEFAULT true NOT NULL,
    alive_at timestamp with time zone NOT NULL,
    patience interval DEFAULT '00:00:08'::interval NOT NULL,
    jumped_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    folded_at timestamp with time zone,
    adoptions integer DEFAULT 0 NOT NULL,
    CONSTRAINT cluster_one_check CHECK (one)
)
WITH (fillfactor='10');

CREATE TABLE public.denial (
    denial_id bigint NOT NULL,
    product text NOT NULL COLLATE pg_catalog."C",
    holder text NOT NULL COLLATE pg_catalog."C",
    reason text NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    attempts bigint NOT NULL,
    open boolean DEFAULT true NOT NULL,
    unmet boolean DEFAULT false NOT NULL,
    served_at timestamp with time zone,
    shown text
);

ALTER TABLE public.denial ALTER COLUMN denial_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.denial_denial_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.denial_tally (
    product text NOT NULL COLLATE pg_catalog."C",
    n integer NOT NULL
);

CREATE TABLE public.event (
    at timestamp with time zone NOT NULL,
    pool_id smallint NOT NULL,
    code "char" NOT NULL,
    lease_id uuid NOT NULL,
    holder text NOT NULL
);

CREATE TABLE public.lease (
    pool_id smallint NOT NULL,
    kind smallint NOT NULL,
    slot smallint DEFAULT 0 NOT NULL,
    lease_id uuid NOT NULL,
    acquired_at timestamp with time zone NOT NULL,
    renewed_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    holder text NOT NULL COLLATE pg_catalog."C",
    subject text,
    shown text,
    idle_after integer,
    idle_from timestamp with time zone,
    held_until timestamp with time zone,
    CONSTRAINT lease_holder_check CHECK (((octet_length(holder) >= 4) AND (octet_length(holder) <= 2403)))
)
WITH (fillfactor='60', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='1', autovacuum_vacuum_insert_scale_factor='0.2');

CREATE TABLE public.ledger_owner (
    one boolean DEFAULT true NOT NULL,
    fingerprint text NOT NULL,
    folder text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_owner_one_check CHECK (one)
);

CREATE TABLE public.migration (
    name text NOT NULL,
    hash text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.outage (
    began_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL
);

CREATE TABLE public.pool (
    pool_id smallint NOT NULL,
    product text NOT NULL COLLATE pg_catalog."C",
    seat_limit integer DEFAULT 0 NOT NULL,
    in_use integer DEFAULT 0 NOT NULL,
    peak integer DEFAULT 0 NOT NULL,
    next_expiry timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    frozen_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    waiting integer DEFAULT 0 NOT NULL,
    reserved integer[],
    reserved_used integer[],
    reservations text,
    stale integer DEFAULT 0 NOT NULL,
    stale_since timestamp with time zone,
    holders_waiting integer DEFAULT 0 NOT NULL,
    asking_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    count_by text,
    overdraft integer DEFAULT 0 NOT NULL,
    weights jsonb,
    borrowed integer DEFAULT 0 NOT NULL,
    lost integer DEFAULT 0 NOT NULL,
    lingers boolean DEFAULT false NOT NULL,
    idle integer DEFAULT 0 NOT NULL,
    lingering integer DEFAULT 0 NOT NULL,
    named boolean DEFAULT false NOT NULL,
    assigned integer DEFAULT 0 NOT NULL,
    unused integer DEFAULT 0 NOT NULL,
    CONSTRAINT pool_count_by_check CHECK ((count_by = ANY (ARRAY['session'::text, 'user'::text, 'host'::text, 'userOnHost'::text, 'base'::text]))),
    CONSTRAINT pool_in_use_check CHECK ((in_use >= 0)),
    CONSTRAINT pool_overdraft_check CHECK ((overdraft >= 0)),
    CONSTRAINT pool_product_check CHECK (((length(product) >= 1) AND (length(product) <= 63))),
    CONSTRAINT pool_seat_limit_check CHECK ((seat_limit >= 0))
)
WITH (fillfactor='10', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000');

ALTER TABLE public.pool ALTER COLUMN pool_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.pool_pool_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    MAXVALUE 4095
    CACHE 1
);

CREATE TABLE public.replica (
    replica_id uuid NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE public.seat (
    pool_id smallint NOT NULL,
    part text NOT NULL COLLATE pg_catalog."C",
    leases integer NOT NULL,
    slot smallint DEFAULT 0 NOT NULL,
    tallies text
)
WITH (fillfactor='60', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='1');

CREATE TABLE public.tally (
    pool_id smallint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    used integer NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='1');

CREATE UNLOGGED TABLE public.uncrashed (
    one boolean DEFAULT true NOT NULL,
    CONSTRAINT uncrashed_one_check CHECK (one)
);

CREATE TABLE public.usage (
    product text NOT NULL COLLATE pg_catalog."C",
    step_seconds integer NOT NULL,
    at timestamp with time zone NOT NULL,
    seat_limit integer NOT NULL,
    peak integer NOT NULL,
    mean real NOT NULL,
    samples integer NOT NULL,
    stale integer NOT NULL,
    denied integer DEFAULT 0 NOT NULL
);

CREATE TABLE public.waiter (
    pool_id smallint NOT NULL,
    holder text NOT NULL COLLATE pg_catalog."C",
    ticket bigint NOT NULL,
    since timestamp with time zone NOT NULL,
    live_until timestamp with time zone NOT NULL,
    priority integer DEFAULT 0 NOT NULL
);

ALTER TABLE public.waiter ALTER COLUMN ticket ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.waiter_ticket_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.assignment
    ADD CONSTRAINT assignment_pkey PRIMARY KEY (pool_id, person);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY public.base_owner
    ADD CONSTRAINT base_owner_pkey PRIMARY KEY (base);

ALTER TABLE ONLY public.base
    ADD CONSTRAINT base_pkey PRIMARY KEY (base);

ALTER TABLE ONLY public.clearing
    ADD CONSTRAINT clearing_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.cluster
    ADD CONSTRAINT cluster_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.denial
    ADD CONSTRAINT denial_pkey PRIMARY KEY (denial_id);

ALTER TABLE ONLY public.denial_tally
    ADD CONSTRAINT denial_tally_pkey PRIMARY KEY (product);

ALTER TABLE ONLY public.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (pool_id, holder);

ALTER TABLE ONLY public.ledger_owner
    ADD CONSTRAINT ledger_owner_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.outage
    ADD CONSTRAINT outage_pkey PRIMARY KEY (began_at);

ALTER TABLE ONLY public.pool
    ADD CONSTRAINT pool_pkey PRIMARY KEY (pool_id);

ALTER TABLE ONLY public.pool
    ADD CONSTRAINT pool_product_key UNIQUE (product);

ALTER TABLE ONLY public.replica
    ADD CONSTRAINT replica_pkey PRIMARY KEY (replica_id);

ALTER TABLE ONLY public.seat
    ADD CONSTRAINT seat_pkey PRIMARY KEY (pool_id, part);

ALTER TABLE ONLY public.tally
    ADD CONSTRAINT tally_pkey PRIMARY KEY (pool_id, key);

ALTER TABLE ONLY public.uncrashed
    ADD CONSTRAINT uncrashed_pkey PRIMARY KEY (one);

ALTER TABLE ONLY public.usage
    ADD CONSTRAINT usage_pkey PRIMARY KEY (product, step_seconds, at);

ALTER TABLE ONLY public.waiter
    ADD CONSTRAINT waiter_pkey PRIMARY KEY (pool_id, holder);

CREATE INDEX audit_at ON public.audit USING btree (at);

CREATE INDEX base_owner_conflict ON public.base_owner USING btree (conflict_at) WHERE (conflict_at IS NOT NULL);

CREATE INDEX denial_asking ON public.denial USING btree (last_at) WHERE open;

CREATE INDEX denial_last ON public.denial USING btree (last_at);

CREATE UNIQUE INDEX denial_open ON public.denial USING btree (product, holder, reason) WHERE open;

CREATE INDEX denial_unsettled ON public.denial USING btree (first_at) WHERE (open AND (NOT unmet) AND (reason = ANY (ARRAY['SeatsExhausted'::text, 'SeatsReserved'::text])));

CREATE INDEX event_at ON public.event USING brin (at);

CREATE INDEX lease_borrowed ON public.lease USING btree (pool_id, holder) WHERE (kind < 0);

CREATE UNIQUE INDEX lease_id_key ON public.lease USING btree (lease_id);

CREATE INDEX lease_idle ON public.lease USING btree (pool_id, idle_from) WHERE (idle_from IS NOT NULL);

CREATE INDEX lease_subject ON public.lease USING btree (subject) WHERE (subject IS NOT NULL);

CREATE INDEX lease_unexpiring ON public.lease USING btree (pool_id, holder) WHERE (kind > 0);
