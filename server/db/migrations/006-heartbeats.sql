-- Renews leases by id. Never waits for a row: mark 2 = busy (being released, reaped or renewed elsewhere), the caller asks again
-- with its next batch. marks: '' = all renewed and all expire; else one a lease: 1 renewed, 3 renewed and never expires, 0 lost, 2 busy.
-- One statement does nearly all batches; it neither collects rows nor returns them, since it runs a hundred thousand times a second.
CREATE OR REPLACE FUNCTION heartbeat_batch(p_id uuid[], p_ttl_ms int, p_now timestamptz, OUT marks text, OUT o_now_ms bigint) LANGUAGE plpgsql AS $$
DECLARE t timestamptz := coalesce(p_now, clock_timestamp()); v_end timestamptz := t + p_ttl_ms * interval '1 ms'; v_n int;
BEGIN
  o_now_ms := extract(epoch FROM t) * 1000;
  UPDATE lease l SET renewed_at = t, expires_at = v_end
   WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM lease x WHERE x.lease_id = ANY(p_id) AND x.kind = 0 FOR NO KEY UPDATE SKIP LOCKED));
  GET DIAGNOSTICS v_n = ROW_COUNT;
  IF v_n = cardinality(p_id) THEN marks := ''; RETURN; END IF;
  -- <> 0, not > 0: the index of unexpiring leases would be read as a whole
  UPDATE lease l SET renewed_at = t, expires_at = 'infinity'
   WHERE l.ctid = ANY(ARRAY(SELECT x.ctid FROM lease x WHERE x.lease_id = ANY(p_id) AND x.kind <> 0 FOR NO KEY UPDATE SKIP LOCKED));
  -- a lease that stands as its renewal would leave it is renewed, by whomever; one that stands otherwise was busy
  SELECT string_agg(CASE WHEN l.lease_id IS NULL THEN '0' WHEN l.renewed_at <> t THEN '2'
                         WHEN l.kind <> 0 THEN '3' WHEN l.expires_at = v_end THEN '1' ELSE '2' END, '' ORDER BY u.ord)
    INTO marks FROM unnest(p_id) WITH ORDINALITY u(i, ord)
    LEFT JOIN LATERAL (SELECT x.lease_id, x.kind, x.renewed_at, x.expires_at FROM lease x WHERE x.lease_id = u.i OFFSET 0) l ON true;
END $$;
