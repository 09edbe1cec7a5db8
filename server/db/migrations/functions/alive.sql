-- The servers themselves.

-- of builds before, with other answers
DROP FUNCTION IF EXISTS tick(uuid, int, boolean, timestamptz);
DROP FUNCTION IF EXISTS beat(uuid, int, boolean, boolean, timestamptz);

-- Every server calls this every two seconds, or ten times a lease time, and nothing else by the same timer: it says that somebody is
-- alive. It notices an outage (nobody was alive) or a jump of the clock, and then freezes all expiry for one lease time and writes the
-- gap down as an outage, which is no silence of any base. p_start: this server has just started. p_missed: renewals were refused since the last beat, so
-- expiry is frozen too; and after a crash of the database (crashed), which may have lost some that were answered. o_now_ms: the database's clock, for those who compare it with theirs.
-- more: the clock was set back, and there are more seats to be brought back with it than one call does. It is called again at once; until
-- that is through nobody is taken for alive, so nothing expires.
CREATE OR REPLACE FUNCTION beat(p_replica uuid, p_ttl_ms int, p_start boolean, p_missed boolean, p_now timestamptz,
  OUT gap_ms bigint, OUT froze boolean, OUT crashed boolean, OUT o_now_ms bigint, OUT more boolean) LANGUAGE plpgsql AS $$
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

-- What servers of the build before call, while they run beside this one.
CREATE FUNCTION tick(p_replica uuid, p_ttl_ms int, p_start boolean, p_now timestamptz, OUT gap_ms bigint, OUT froze boolean, OUT o_now_ms bigint) LANGUAGE sql AS $$
  SELECT gap_ms, froze, o_now_ms FROM beat(p_replica, p_ttl_ms, p_start, false, p_now)
$$;
