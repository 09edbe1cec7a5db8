-- Session reports. p_idle: which sessions are idle; NULL: none. The leases of a base are a range of the key: base, U+001F, ... up to base, U+0020.

-- A report that changes nothing, answered without a pool's lock. p_base are distinct and ascending; report n has the next p_len[n]
-- of the holders. changed: S where the report says something new (nothing is done for it), else =.
DROP FUNCTION IF EXISTS report_unchanged(text[], int[], smallint[], text[], timestamptz);
CREATE OR REPLACE FUNCTION report_unchanged(p_base text[], p_len int[], p_pool smallint[], p_holder text[], p_now timestamptz, p_idle boolean[] DEFAULT NULL,
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

-- of builds before, with other parameters
DROP FUNCTION IF EXISTS report_batch(int, text[], int[], smallint[], text[], uuid[], smallint[], timestamptz);
DROP FUNCTION IF EXISTS report_batch(int, text[], int[], smallint[], text[], uuid[], smallint[], timestamptz, text[]);
DROP FUNCTION IF EXISTS report_batch(int, text[], int[], smallint[], text[], uuid[], smallint[], timestamptz, text[], int[], text[]);
DROP FUNCTION IF EXISTS report_batch(int, text[], int[], smallint[], text[], uuid[], smallint[], timestamptz, text[], int[], text[], boolean[], int[], int[]);

-- Full state of bases: the absent give their seats back, the present keep theirs or take one. Reports of one call succeed or fail
-- together. A holder with a lease of its own (kind 0) stays leased and is renewed.
-- codes: G, R, O and those of a refusal as in seat_batch (L: the number of the rule is in o_rules, one a session, comma separated); U = no such pool (p_pool 0); ids: lease ids of G and R, empty for the others; released: a number a report;
-- pools: pool:released:reaped:idled of each pool where that was not nothing.
CREATE OR REPLACE FUNCTION report_batch(p_ttl_ms int, p_base text[], p_len int[], p_pool smallint[], p_holder text[], p_id uuid[], p_slot smallint[], p_now timestamptz, p_shown text[] DEFAULT NULL,
  p_priority int[] DEFAULT NULL, p_rules text[] DEFAULT NULL, p_idle boolean[] DEFAULT NULL, p_idle_after int[] DEFAULT NULL, p_hold int[] DEFAULT NULL,
  OUT codes text, OUT ids text, OUT released text, OUT pools text, OUT o_now_ms bigint, OUT o_rules text) LANGUAGE plpgsql AS $$
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
