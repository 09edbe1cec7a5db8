-- Refusals: one row an episode of one holder, open while the holder may still be asking.

-- Looks at holders that were refused for want of a seat a minute ago, p_most at most: who has one by now was served, the others are
-- unmet demand. looked: as many as p_most: call again. unmet: how many more, by product.
CREATE OR REPLACE FUNCTION find_unmet(p_most int, OUT looked int, OUT unmet jsonb)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE t timestamptz := clock_timestamp();
BEGIN
  WITH u AS MATERIALIZED (
         SELECT d.denial_id, d.product, d.holder FROM denial d WHERE d.open AND NOT d.unmet AND d.reason IN ('SeatsExhausted', 'SeatsReserved')
            AND d.first_at < t - interval '1 min' ORDER BY d.first_at LIMIT p_most FOR UPDATE SKIP LOCKED),
       h AS MATERIALIZED (SELECT u.denial_id, l.acquired_at FROM u LEFT JOIN LATERAL (
         SELECT x.acquired_at FROM pool p CROSS JOIN LATERAL (SELECT y.acquired_at FROM lease y WHERE y.pool_id = p.pool_id AND y.holder = u.holder OFFSET 0) x
          WHERE p.product = u.product) l ON true),
       x AS (UPDATE denial d SET unmet = h.acquired_at IS NULL, open = h.acquired_at IS NULL, served_at = h.acquired_at
               FROM h WHERE d.denial_id = h.denial_id RETURNING d.product, d.unmet)
  SELECT coalesce(sum(x.n), 0), jsonb_object_agg(x.product, x.un) FILTER (WHERE x.un > 0) INTO looked, unmet
    FROM (SELECT x.product, count(*) AS n, count(*) FILTER (WHERE x.unmet) AS un FROM x GROUP BY x.product) x;
END $$;

-- Closes episodes of holders who have given up: ten minutes without a word. So many at most; answers how many.
CREATE OR REPLACE FUNCTION close_denials(p_most int) RETURNS int
LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE t timestamptz := clock_timestamp(); n int; m int;
BEGIN
  UPDATE denial d SET open = false WHERE d.denial_id = ANY(ARRAY(
    SELECT x.denial_id FROM denial x WHERE x.open AND x.last_at < t - interval '10 min' AND (x.unmet OR x.reason NOT IN ('SeatsExhausted', 'SeatsReserved'))
     ORDER BY x.last_at LIMIT p_most FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  -- the clock was set back: these would stay open until it comes there again
  UPDATE denial d SET open = false, first_at = least(d.first_at, t), last_at = t WHERE d.denial_id = ANY(ARRAY(
    SELECT x.denial_id FROM denial x WHERE x.open AND x.last_at > t + interval '1 min' ORDER BY x.last_at DESC LIMIT p_most FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS m = ROW_COUNT;
  RETURN greatest(n, m);
END $$;
