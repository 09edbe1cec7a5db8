-- Seats of idle programs.

-- Seats of a pool that are for whoever waits, the longest idle first: all leases of each are idle for longer than they may. What was taken along is nobody's.
-- p_by, p_weights: as in free_seats. parts: what each is shared by, the holder where nobody shares one; sizes: how many seats each is; slots: as in lease.
CREATE OR REPLACE FUNCTION idle_seats(p_pool smallint, p_by text, p_weights jsonb, t timestamptz, OUT parts text[], OUT sizes int[], OUT slots smallint[]) LANGUAGE plpgsql STABLE AS $$
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

-- Ends the idle leases of these parts of a pool whose row is locked. One that a heartbeat holds at this moment may be idle no more: it is left out.
-- holders: whose they were; freed: so many seats; free_slots: as in free_seats.
CREATE OR REPLACE FUNCTION give_up_idle(p_pool smallint, p_by text, p_weights jsonb, p_part text[], t timestamptz, OUT holders text[], OUT freed int, OUT free_slots smallint[]) LANGUAGE plpgsql AS $$
DECLARE v_slots smallint[];
BEGIN
  WITH x AS (SELECT l.ctid FROM lease l WHERE l.pool_id = p_pool AND l.idle_from <= t AND l.kind >= 0 AND part_of(l.holder, p_by) = ANY(p_part) FOR UPDATE SKIP LOCKED),
       d AS (DELETE FROM lease l WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM x)) RETURNING l.lease_id, l.holder, l.slot),
       e AS (INSERT INTO event SELECT t, p_pool, 'I', d.lease_id, d.holder FROM d)
  SELECT array_agg(d.holder), array_agg(d.slot), array_agg(d.slot) FILTER (WHERE d.slot > 0), count(*) INTO holders, v_slots, free_slots, freed FROM d;
  IF freed > 0 AND p_by IS NOT NULL THEN SELECT f.n, f.slots INTO freed, free_slots FROM free_seats(p_pool, p_by, p_weights, holders) f;
  ELSIF freed > 0 AND p_weights IS NOT NULL THEN SELECT f.n, f.slots INTO freed, free_slots FROM sizes_of(p_weights, holders, v_slots) f; END IF;
END $$;
