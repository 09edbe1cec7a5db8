-- A crash of the database may lose renewals that were answered, since they are committed without waiting for the disk; so may a
-- fail-over to a standby. PostgreSQL empties an unlogged table in these cases, however fast it is back, and in no other. Without the
-- row of this one no expired seat is given to others, until expiry has been frozen for a lease time.
CREATE UNLOGGED TABLE uncrashed (one boolean PRIMARY KEY DEFAULT true CHECK (one));
INSERT INTO uncrashed DEFAULT VALUES;

-- Whether expired seats may be given to others: not while an outage, a jump of the clock or a crash is not yet accounted for.
CREATE OR REPLACE FUNCTION may_expire(t timestamptz, p_frozen_until timestamptz, p_now timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT p_frozen_until <= t
     AND (p_now IS NOT NULL OR (EXISTS (SELECT FROM uncrashed) AND (SELECT alive_at BETWEEN t - patience AND t + patience FROM cluster)))
$$;

-- Accounts for a crash; answers whether there was one.
CREATE FUNCTION notice_crash(p_ttl_ms int) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM uncrashed) THEN RETURN false; END IF;
  PERFORM FROM pool p ORDER BY p.pool_id FOR UPDATE;
  UPDATE pool SET frozen_until = greatest(frozen_until, clock_timestamp() + p_ttl_ms * interval '1 ms');
  INSERT INTO uncrashed DEFAULT VALUES ON CONFLICT DO NOTHING;
  RETURN true;
END $$;
