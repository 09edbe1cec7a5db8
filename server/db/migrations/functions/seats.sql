-- The functions of the ledger, in the files of this folder. Applied whenever their text has changed, after the migrations and in one transaction: a change needs no
-- migration, unless servers of the build before could not work with it. Rules: server/seats/ledger.ts; this is their batched twin.
--
-- One call = one transaction = one pool. Lock order, everywhere: pool rows ascending, then lease rows, then base rows ascending; rows of
-- denial are skipped when somebody has them. Time is the database's, read after the lock, so it never runs behind what the previous
-- holder of the lock wrote. p_now replaces it in tests only.
--
-- What is kept between bounds is read as LATERAL (... OFFSET 0): a look-up for each, whatever the statistics say of a table that grows.
-- Housekeeping takes so many rows a call and is called again; it holds no pool's row while it counts.

-- of builds before, with other answers
DROP FUNCTION IF EXISTS seat_batch(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz);
DROP FUNCTION IF EXISTS seat_batch(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz, text[]);
DROP FUNCTION IF EXISTS seat_batch(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz, text[], int[], text[]);
DROP FUNCTION IF EXISTS seat_batch(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz, text[], int[], text[], boolean[], int[], int[]);
DROP FUNCTION IF EXISTS reap_locked(smallint, timestamptz);
DROP FUNCTION IF EXISTS reap_locked(smallint, timestamptz, text);
DROP FUNCTION IF EXISTS reap_locked(smallint, timestamptz, text, jsonb);
DROP FUNCTION IF EXISTS heartbeat_batch(uuid[], int, timestamptz);

-- Whether expired seats may be given to others: not while an outage, a jump of the clock or a crash is not yet accounted for.
CREATE OR REPLACE FUNCTION may_expire(t timestamptz, p_frozen_until timestamptz, p_now timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_frozen_until <= t
     AND (p_now IS NOT NULL OR (EXISTS (SELECT FROM uncrashed) AND (SELECT alive_at BETWEEN t - patience AND t + patience FROM cluster)))
$$;

-- Deletes what is due in a pool whose row is locked, 2000 seats at most: what is left is due at once (next_expiry).
-- n: so many leases; lingered: those of them that had been given back; freed: so many seats; slots: the reservations that these were of, one entry a seat. p_by, p_weights: as in free_seats.
CREATE OR REPLACE FUNCTION reap_locked(p_pool smallint, t timestamptz, p_by text DEFAULT NULL, p_weights jsonb DEFAULT NULL, OUT n int, OUT next_expiry timestamptz, OUT slots smallint[], OUT freed int, OUT lingered int) LANGUAGE plpgsql AS $$
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

-- Check-outs and releases of one pool. p_holder are distinct, r_id are distinct. p_slot NULL: no holder matches a reservation; p_priority, p_rules: as in
-- seat_batch_ruled, which has the rest of the rules, and takes over where there is any of what they are about.
-- p_idle: who is idle; p_idle_after, p_hold: how long each may be idle, and keeps its seat at least, in s; NULL: nobody has any of it.
-- p_queue_ms NULL: nobody waits. p_shown: how holders were spelled where that is not their key; NULL: all are.
-- codes: G granted, R renewed, O granted beyond the limit; refused: L by a rule, D taken, V reserved for others, Q others wait before; in the order of p_holder. ids: lease ids of
-- the R ones, comma separated. r_codes: X released, L given back and lingering, N not held, in the order of r_id. places: queue positions of those that wait, comma
-- separated. o_reserved: free seats that are kept for reservations; o_waiting: who waits; both after the batch. o_idled: leases that were idle and given up for others.
CREATE OR REPLACE FUNCTION seat_batch(
  p_pool smallint, p_ttl_ms int, p_holder text[], p_id uuid[], p_kind smallint[], p_slot smallint[], p_queue_ms int[], p_subject text[],
  r_id uuid[], r_code text[], p_touch boolean, p_now timestamptz, p_shown text[] DEFAULT NULL,
  p_priority int[] DEFAULT NULL, p_rules text[] DEFAULT NULL, p_idle boolean[] DEFAULT NULL, p_idle_after int[] DEFAULT NULL, p_hold int[] DEFAULT NULL,
  OUT codes text, OUT ids text, OUT r_codes text, OUT places text, OUT o_in_use int, OUT o_limit int, OUT o_reaped int, OUT o_now_ms bigint,
  OUT o_reserved int, OUT o_waiting int, OUT o_rules text, OUT o_idled int)
LANGUAGE plpgsql AS $$
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

-- Notes a sign of life of the bases of granted check-outs whose seats do not expire.
-- In PL/pgSQL, as the next one: a function in SQL is planned anew at every call.
CREATE OR REPLACE FUNCTION touch_bases(p_holder text[], p_kind smallint[], codes text, t timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO base AS b (base, seen_at)
  SELECT DISTINCT split_part(h, chr(31), 1) COLLATE "C" AS b, t FROM unnest(p_holder, p_kind, string_to_array(codes, NULL)) u(h, k, c) WHERE k > 0 AND c IN ('G', 'R', 'O') ORDER BY b
  ON CONFLICT (base) DO UPDATE SET seen_at = greatest(b.seen_at, excluded.seen_at);
END $$;

-- The episodes of refusals of these holders are over: they have a seat. One that is being written down at this moment is found by find_unmet.
CREATE OR REPLACE FUNCTION end_denials(p_product text, p_holder text[], t timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE denial d SET open = false, served_at = t WHERE d.denial_id = ANY(ARRAY(
    SELECT x.denial_id FROM denial x WHERE x.open AND x.product = p_product AND x.holder = ANY(p_holder) FOR UPDATE SKIP LOCKED));
END $$;

-- Takes out of the queue who went away, unless they have asked again since (p_asked_ms: the database's time when they last did), and
-- those who no longer ask.
CREATE OR REPLACE FUNCTION leave_queue(p_pool smallint, p_holder text[], p_asked_ms float8[], p_queue_ms int, p_now timestamptz, OUT o_free int) LANGUAGE plpgsql AS $$
BEGIN
  SELECT p.seat_limit - p.in_use INTO o_free FROM pool p WHERE p.pool_id = p_pool FOR UPDATE;
  DELETE FROM waiter w USING unnest(p_holder, p_asked_ms) u(h, a)
   WHERE w.pool_id = p_pool AND w.holder = u.h AND w.live_until < to_timestamp((u.a + p_queue_ms + 1) / 1000);
  DELETE FROM waiter w WHERE w.pool_id = p_pool AND w.live_until <= coalesce(p_now, clock_timestamp());
  UPDATE pool p SET waiting = (SELECT count(*) FROM waiter w WHERE w.pool_id = p_pool) WHERE p.pool_id = p_pool;
END $$;

-- Renews leases by id. Never waits for a row: mark 2 = busy (being released, reaped or renewed elsewhere), the caller asks again
-- with its next batch. p_idle: those of them whose programs are idle; NULL: none. marks: '' = all renewed and all expire; else one a lease: 1 renewed, 3 renewed and never expires, 0 lost, 2 busy.
-- One statement does nearly all batches; it neither collects rows nor returns them, since it runs a hundred thousand times a second.
CREATE OR REPLACE FUNCTION heartbeat_batch(p_id uuid[], p_ttl_ms int, p_now timestamptz, p_idle uuid[] DEFAULT NULL, OUT marks text, OUT o_now_ms bigint) LANGUAGE plpgsql AS $$
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

-- Tidies: reaps what is due in one pool even if nobody wants its seat. n: so many leases; expired: those of them that had not been given back.
CREATE OR REPLACE FUNCTION reap_due(p_pool smallint, p_now timestamptz, OUT n int, OUT expired int) LANGUAGE plpgsql AS $$
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

-- What servers of the build before call, while they run beside this one.
CREATE OR REPLACE FUNCTION reap(p_pool smallint, p_now timestamptz) RETURNS int LANGUAGE sql AS $$ SELECT n FROM reap_due(p_pool, p_now) $$;
