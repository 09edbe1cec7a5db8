-- What a check-out depends on, for an explanation of it.

-- What seat_batch_ruled would read for this one holder, and who has the seats that it would need. Changes nothing, locks nothing, and costs the same however many
-- leases there are, except while expired ones wait to be given up: then it looks for those, as a check-out does. p_size: how many seats it asks for. p_tally, p_most: the caps of the holder, in their order.
-- Its statements are planned once a connection: planning them for each holder was a third of the work.
-- p_stale: silence after which a base's seats are stale. Of the answer: `due`: what giving up expired seats would free (`leases`: so many; `part`: those of this one's
-- part; `tallies`: seats of each of p_tally); assigned: whether a seat is assigned to its user, NULL: seats are whoever's; idle: seats of idle programs that would be given up for it, the longest idle first; holders: whoever has had a seat of the kind that is short the longest, ten at most.
CREATE OR REPLACE FUNCTION look_at_pool(p_pool smallint, p_holder text, p_size int, p_priority int, p_tally text[], p_most int[], p_stale interval, p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan AS $$
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
