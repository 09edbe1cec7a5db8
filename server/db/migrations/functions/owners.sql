-- Who owns the name of a base.

-- The first instance that asks owns the name; answers whose it is. Another one is noted: of each row that it leaves in the audit one an hour.
CREATE OR REPLACE FUNCTION claim_base(p_base text, p_shown text, p_instance uuid) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE o base_owner; t timestamptz := clock_timestamp();
BEGIN
  INSERT INTO base_owner AS b (base, shown, instance, since) VALUES (p_base, p_shown, p_instance, t)
    ON CONFLICT (base) DO UPDATE SET instance = p_instance, since = t WHERE b.instance IS NULL;
  SELECT * INTO o FROM base_owner b WHERE b.base = p_base FOR UPDATE;
  IF o.instance = p_instance THEN RETURN p_instance; END IF;
  IF o.rival IS DISTINCT FROM p_instance OR o.conflict_at IS NULL OR o.conflict_at NOT BETWEEN t - interval '1 hour' AND t THEN
    INSERT INTO audit (actor, action, target, reason) VALUES ('server', 'BaseInstanceConflict', o.shown,
      'instance ' || p_instance || ' asked for what is instance ' || o.instance || '''s');
  END IF;
  UPDATE base_owner b SET conflict = 'instance', rival = p_instance, conflict_at = t WHERE b.base = p_base;
  RETURN o.instance;
END $$;

-- Two bases report under one name, and neither says which instance it is.
CREATE OR REPLACE FUNCTION note_swing(p_base text, p_shown text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE t timestamptz := clock_timestamp();
BEGIN
  IF NOT EXISTS (SELECT FROM base_owner b WHERE b.base = p_base AND b.conflict_at BETWEEN t - interval '1 hour' AND t) THEN
    INSERT INTO audit (actor, action, target, reason) VALUES ('server', 'BaseReportedTwice', p_shown, 'reports of two bases take each other''s seats');
  END IF;
  INSERT INTO base_owner AS b (base, shown, since, conflict, conflict_at) VALUES (p_base, p_shown, t, 'reports', t)
    ON CONFLICT (base) DO UPDATE SET conflict = 'reports', rival = NULL, conflict_at = t;
END $$;

-- An administrator gives the name to an instance, or (NULL) to the one that has asked for it last. o_instance: whose it is now; NULL: nobody
-- has asked. known: whether the base has an entry.
CREATE OR REPLACE FUNCTION adopt_base(p_base text, p_instance uuid, OUT known boolean, OUT o_instance uuid) LANGUAGE plpgsql AS $$
DECLARE o base_owner;
BEGIN
  SELECT * INTO o FROM base_owner b WHERE b.base = p_base FOR UPDATE;
  known := FOUND; o_instance := coalesce(p_instance, o.rival);
  IF NOT known OR o_instance IS NULL THEN RETURN; END IF;
  UPDATE base_owner b SET instance = o_instance, since = clock_timestamp(), conflict = NULL, rival = NULL, conflict_at = NULL WHERE b.base = p_base;
  UPDATE cluster SET adoptions = adoptions + 1;
END $$;
