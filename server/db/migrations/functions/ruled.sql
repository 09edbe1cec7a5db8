-- Pools whose seats are shared, reserved, bounded by rules or waited for: the same rules as in seat_batch, and more.

-- of builds before, with other parameters
DROP FUNCTION IF EXISTS seat_batch_fair(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz);
DROP FUNCTION IF EXISTS seat_batch_fair(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz, text[]);

DROP FUNCTION IF EXISTS free_seats(smallint, text, text[]);
DROP FUNCTION IF EXISTS seat_batch_ruled(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz, text[], int[], text[]);
DROP FUNCTION IF EXISTS seat_batch_ruled(smallint, int, text[], uuid[], smallint[], smallint[], int[], text[], uuid[], text[], boolean, timestamptz, text[], int[], text[], boolean[], int[], int[]);

-- What leases of a holder share a seat by. Those of a feature, or of several seats at once, share with their like.
CREATE OR REPLACE FUNCTION part_of(h text, p_by text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_by WHEN 'user' THEN split_part(h, chr(31), 2) WHEN 'host' THEN split_part(h, chr(31), 3)
    WHEN 'userOnHost' THEN split_part(h, chr(31), 2) || chr(31) || split_part(h, chr(31), 3) WHEN 'base' THEN split_part(h, chr(31), 1) ELSE h END
    || CASE WHEN p_by IN ('user', 'host', 'userOnHost', 'base') AND (split_part(h, chr(31), 5) <> '' OR split_part(h, chr(31), 6) <> '')
            THEN chr(31) || chr(31) || split_part(h, chr(31), 5) || chr(31) || split_part(h, chr(31), 6) ELSE '' END
$$;

-- How many seats a holder's lease is: as many as it asked for, each of its feature's weight.
CREATE OR REPLACE FUNCTION size_of(h text, p_weights jsonb) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(nullif(split_part(h, chr(31), 6), '')::int, 1) * coalesce((p_weights ->> split_part(h, chr(31), 5))::int, 1)
$$;

-- Adds to what counts in tallies, or takes away. Those that nothing counts in go.
CREATE OR REPLACE FUNCTION count_tallies(p_pool smallint, p_key text[], p_n int[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_empty tid[];
BEGIN
  WITH c AS (INSERT INTO tally AS t (pool_id, key, used) SELECT p_pool, u.k, sum(u.n) FROM unnest(p_key, p_n) u(k, n) GROUP BY u.k ORDER BY u.k
             ON CONFLICT (pool_id, key) DO UPDATE SET used = t.used + excluded.used RETURNING t.ctid, t.used)
  SELECT array_agg(c.ctid) FILTER (WHERE c.used <= 0) INTO v_empty FROM c;
  IF v_empty IS NOT NULL THEN DELETE FROM tally t WHERE t.ctid = ANY(v_empty); END IF;
END $$;

-- Leases of these holders are gone: what was their seats' is free where nobody shares it any more. p_by: the pool's count_by, p_weights: its
-- weights, NULL: each lease is one seat. n: so many seats; slots: the reservations that they were of, one entry a seat.
CREATE OR REPLACE FUNCTION free_seats(p_pool smallint, p_by text, p_weights jsonb, p_holder text[], OUT n int, OUT slots smallint[]) LANGUAGE plpgsql AS $$
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

-- How many seats leases were that are no longer there, where nobody shares one; slots as in free_seats.
CREATE OR REPLACE FUNCTION sizes_of(p_weights jsonb, p_holder text[], p_slot smallint[], OUT n int, OUT slots smallint[]) LANGUAGE plpgsql AS $$
BEGIN
  SELECT coalesce(sum(size_of(u.h, p_weights)), 0) INTO n FROM unnest(p_holder) u(h);
  SELECT array_agg(u.s) INTO slots FROM unnest(p_holder, p_slot) u(h, s), generate_series(1, size_of(u.h, p_weights)) WHERE u.s > 0;
END $$;

-- Check-outs and releases of one pool, as in seat_batch, which has locked the pool's row. All is read, then decided in memory, then written.
-- p_priority NULL: all 0. p_rules: the caps of each holder, `most:tally` joined by U+001E; NULL: nobody has any. code O: granted beyond the limit; L: kept out
-- by a rule, whose number (from 1) is in o_rules, in the order of p_holder, comma separated; A: no seat is assigned to its user (pool.named).
CREATE OR REPLACE FUNCTION seat_batch_ruled(
  p_pool smallint, p_ttl_ms int, p_holder text[], p_id uuid[], p_kind smallint[], p_slot smallint[], p_queue_ms int[], p_subject text[],
  r_id uuid[], r_code text[], p_touch boolean, p_now timestamptz, p_shown text[], p_priority int[], p_rules text[],
  p_idle boolean[] DEFAULT NULL, p_idle_after int[] DEFAULT NULL, p_hold int[] DEFAULT NULL,
  OUT codes text, OUT ids text, OUT r_codes text, OUT places text, OUT o_in_use int, OUT o_limit int, OUT o_reaped int, OUT o_now_ms bigint,
  OUT o_reserved int, OUT o_waiting int, OUT o_rules text, OUT o_idled int)
LANGUAGE plpgsql AS $$
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
