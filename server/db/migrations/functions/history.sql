-- History.

-- of builds before, with other answers
DROP FUNCTION IF EXISTS sample_usage();

-- Where the step of so many seconds begins that a moment lies in, counted from 2000 on: date_bin, which PostgreSQL 13 has not.
CREATE OR REPLACE FUNCTION step_begin(p_seconds int, p_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT to_timestamp(946684800 + floor((extract(epoch FROM p_at) - 946684800) / p_seconds) * p_seconds)
$$;

-- One sample of a pool into its rows of a minute, an hour and a day. denied: episodes that began since the last sample.
CREATE OR REPLACE FUNCTION sample_usage(p_pool smallint) RETURNS void LANGUAGE plpgsql AS $$
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

-- Removes events of before p_before, p_most at most. p_from: where the portion before ended (last_at), so that what is gone is not read again.
CREATE OR REPLACE FUNCTION prune_events(p_before timestamptz, p_from timestamptz, p_most int, OUT n int, OUT last_at timestamptz)
LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
BEGIN
  WITH d AS (DELETE FROM event e WHERE e.ctid = ANY(ARRAY(SELECT x.ctid FROM event x WHERE x.at < p_before AND x.at >= p_from LIMIT p_most)) RETURNING e.at)
  SELECT count(*), max(d.at) INTO n, last_at FROM d;
END $$;
