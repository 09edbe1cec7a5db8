-- Borrowed seats: a computer takes one along, and nobody can call it back before its end.

-- Takes a seat along for so many hours, or prolongs one that is. p_most: seats that may be borrowed at once. code: as of seat_batch_ruled, and
-- B: as many as may be are borrowed. o_until_ms: its end. A pool that lends is no plain one (weights).
CREATE OR REPLACE FUNCTION borrow_seat(p_pool smallint, p_holder text, p_shown text, p_id uuid, p_hours int, p_most int, p_slot smallint, p_subject text, p_priority int, p_rules text, p_now timestamptz,
  OUT code text, OUT lease_id uuid, OUT o_until_ms bigint, OUT o_in_use int, OUT o_limit int, OUT o_now_ms bigint, OUT o_reserved int, OUT o_waiting int, OUT o_rules text, OUT o_lent int) LANGUAGE plpgsql AS $$
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

-- Writes a borrowed seat off: whoever has it cannot be told, so it counts until its end. NULL: there is no such one.
CREATE OR REPLACE FUNCTION write_off(p_id uuid) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE v_end timestamptz;
BEGIN
  UPDATE lease l SET kind = -2 WHERE l.lease_id = p_id AND l.kind IN (-1, -2) RETURNING l.expires_at INTO v_end;
  RETURN v_end;
END $$;
