-- One sample of every pool into its rows of a minute, an hour and a day. One server at a time.
CREATE FUNCTION sample_usage() RETURNS void LANGUAGE plpgsql AS $$
DECLARE v_pool smallint; p record; t timestamptz; v_step int; v_at timestamptz; v_denied int;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7227004) THEN RETURN; END IF;
  FOR v_pool IN SELECT pool_id FROM pool ORDER BY pool_id LOOP
    SELECT * INTO p FROM pool WHERE pool_id = v_pool FOR UPDATE;
    t := clock_timestamp();
    FOREACH v_step IN ARRAY ARRAY[60, 3600, 86400] LOOP
      v_at := date_bin(v_step * interval '1 s', t, '2000-01-01Z');
      SELECT count(*) INTO v_denied FROM denial d WHERE d.product = p.product AND d.last_at >= v_at AND d.first_at >= v_at;
      INSERT INTO usage AS u (product, step_seconds, at, seat_limit, peak, mean, samples, stale, denied)
      VALUES (p.product, v_step, v_at, p.seat_limit, greatest(p.peak, p.in_use), p.in_use, 1, p.stale, v_denied)
      ON CONFLICT (product, step_seconds, at) DO UPDATE SET seat_limit = greatest(u.seat_limit, excluded.seat_limit),
        peak = greatest(u.peak, excluded.peak), mean = (u.mean * u.samples + excluded.mean) / (u.samples + 1), samples = u.samples + 1,
        stale = greatest(u.stale, excluded.stale), denied = excluded.denied;
    END LOOP;
    IF p.peak <> p.in_use THEN UPDATE pool SET peak = in_use WHERE pool_id = v_pool; END IF;
  END LOOP;
END $$;
