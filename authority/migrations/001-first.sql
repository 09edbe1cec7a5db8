-- What was bought.
CREATE TABLE licence (
  id text PRIMARY KEY,
  organisation text NOT NULL,
  product text NOT NULL,
  support_policy text NOT NULL CHECK (support_policy IN ('warn', 'require')),
  features text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL
);
CREATE INDEX licence_by_organisation ON licence (organisation, id);

-- A generation of a licence. The key itself is not here: 125 random bits cannot be guessed from their SHA-256, so the hash
-- needs no salt and can be looked up.
CREATE TABLE licence_key (
  key_id text PRIMARY KEY,
  key_hash bytea NOT NULL UNIQUE CHECK (length(key_hash) = 32),
  licence_id text NOT NULL REFERENCES licence,
  generation integer NOT NULL CHECK (generation > 0),
  -- why it was made: issue, regenerate or renew
  made_by text NOT NULL CHECK (made_by IN ('issue', 'regenerate', 'renew')),
  made_at timestamptz NOT NULL,
  -- its terms: an older key keeps the terms that it was sold with
  seat_limit integer NOT NULL CHECK (seat_limit >= 0),
  support_until timestamptz,
  expires_at timestamptz,
  -- the one computer that it is bound to
  fingerprint text,
  bound_at timestamptz,
  -- sequence of the last activation, and the one that its request continued (see decideActivation.ts)
  sequence integer NOT NULL DEFAULT 0,
  continued_sequence integer NOT NULL DEFAULT 0,
  activated_at timestamptz,
  clone_suspected_at timestamptz,
  revoked_at timestamptz,
  revoked_reason text,
  UNIQUE (licence_id, generation)
);

CREATE TABLE regeneration (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  licence_id text NOT NULL REFERENCES licence,
  at timestamptz NOT NULL,
  -- support's reason for one beyond the monthly budget; such a one does not count
  override_reason text
);
CREATE INDEX regeneration_by_licence ON regeneration (licence_id, at);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  outcome text NOT NULL,
  licence_id text,
  key_id text,
  fingerprint text,
  detail text
);
CREATE INDEX audit_by_licence ON audit (licence_id, id);
