-- How long nobody may have been alive before an outage is assumed depends on the lease time: a holder is due every third of it,
-- so that an outage which nobody noticed may only be shorter than what is surely left of every held lease.
ALTER TABLE cluster ADD COLUMN patience interval NOT NULL DEFAULT '8 s';              -- written by each tick
ALTER TABLE cluster ADD COLUMN jumped_at timestamptz NOT NULL DEFAULT '-infinity';    -- the clock went on by more than a week: who knows

-- Whether expired seats may be given to others: not while an outage or a jump of the clock is not yet accounted for.
CREATE OR REPLACE FUNCTION may_expire(t timestamptz, p_frozen_until timestamptz, p_now timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_frozen_until <= t
     AND (p_now IS NOT NULL OR (SELECT alive_at BETWEEN t - patience AND t + patience FROM cluster))
$$;

-- Every server calls this every two seconds, or ten times a lease time. It notices an outage (nobody was alive) or a jump of the
-- clock, and then freezes all expiry for one lease time and does not count the gap as silence of any base. p_start: this server has
-- just started. o_now_ms: the database's clock, for those who compare it with theirs.
DROP FUNCTION tick(uuid, int, boolean, timestamptz);
CREATE FUNCTION tick(p_replica uuid, p_ttl_ms int, p_start boolean, p_now timestamptz, OUT gap_ms bigint, OUT froze boolean, OUT o_now_ms bigint) LANGUAGE plpgsql AS $$
DECLARE t timestamptz; v_alive timestamptz; v_gap interval; v_end timestamptz; v_patience interval;
BEGIN
  SELECT alive_at INTO v_alive FROM cluster FOR UPDATE;
  t := coalesce(p_now, clock_timestamp()); v_gap := t - v_alive; v_end := t + p_ttl_ms * interval '1 ms';
  gap_ms := extract(epoch FROM v_gap) * 1000; o_now_ms := extract(epoch FROM t) * 1000;
  v_patience := least(greatest(p_ttl_ms * 0.3, 1000), 8000) * interval '1 ms';
  froze := v_gap > v_patience OR v_gap < interval '-2 s'
    OR (p_start AND NOT EXISTS (SELECT FROM replica r WHERE r.replica_id <> p_replica AND r.seen_at BETWEEN t - interval '5 s' AND t + interval '5 s'));
  IF froze THEN
    PERFORM FROM pool p ORDER BY p.pool_id FOR UPDATE;
    IF v_gap < interval '-2 s' THEN -- set back: nothing may stand in the future, or it would outlive its time
      UPDATE lease SET renewed_at = least(renewed_at, t), expires_at = CASE kind WHEN 0 THEN least(expires_at, v_end) ELSE expires_at END;
      UPDATE base SET seen_at = t WHERE seen_at > t;
      UPDATE waiter SET live_until = least(live_until, t + interval '30 s');
      UPDATE denial SET first_at = least(first_at, t), last_at = least(last_at, t) WHERE open AND last_at > t;
    ELSIF v_gap > interval '8 s' THEN
      -- the time without a server is no silence of a base; renewed_at moves only for seats that do not expire
      UPDATE lease SET renewed_at = least(renewed_at + v_gap, t) WHERE kind > 0;
      UPDATE base SET seen_at = least(seen_at + v_gap, t);
      UPDATE waiter SET live_until = least(live_until + v_gap, t + interval '30 s');
    END IF;
    UPDATE pool p SET frozen_until = v_end, next_expiry = least(p.next_expiry, v_end);
  END IF;
  UPDATE cluster SET alive_at = t, patience = v_patience,
         jumped_at = CASE WHEN v_gap > interval '7 days' THEN t ELSE least(jumped_at, t) END;
  INSERT INTO replica AS r VALUES (p_replica, t) ON CONFLICT (replica_id) DO UPDATE SET seen_at = t;
  DELETE FROM replica r WHERE r.seen_at NOT BETWEEN t - interval '1 min' AND t + interval '1 min';
END $$;
