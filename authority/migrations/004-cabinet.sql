-- People who sign in to the cabinet: of a customer's organisation, or of the vendor.
CREATE TABLE person (
  id text PRIMARY KEY,
  -- what people sign in with, in lower case
  email text NOT NULL UNIQUE CHECK (email = lower(email)),
  name text NOT NULL,
  -- NULL: the vendor's
  organisation_id text REFERENCES organisation,
  -- argon2id with its parameters and salt; NULL: signs in by the identity provider only
  password_hash text,
  -- the second factor, encrypted under a key that is not here; NULL: none
  totp_secret bytea,
  -- one that is offered, until a code shows that the person's device has it
  totp_offered bytea,
  -- the time step of the last code that was taken: each is good once
  totp_step bigint NOT NULL DEFAULT 0,
  -- as the identity provider names the person
  oidc_issuer text,
  oidc_subject text,
  created_at timestamptz NOT NULL,
  disabled_at timestamptz,
  UNIQUE (oidc_issuer, oidc_subject),
  CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL))
);
CREATE INDEX person_by_organisation ON person (organisation_id);

-- Instead of a code, each once. 80 random bits: the hash needs no salt.
CREATE TABLE recovery_code (
  person_id text NOT NULL REFERENCES person,
  code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
  PRIMARY KEY (person_id, code_hash)
);

-- A link that the vendor hands out, good once. The token in it is not here.
CREATE TABLE invitation (
  id text PRIMARY KEY,
  token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
  email text NOT NULL CHECK (email = lower(email)),
  -- NULL: to the vendor's own people
  organisation_id text REFERENCES organisation,
  -- who is known already, and sets a new password by it
  person_id text REFERENCES person,
  invited_by text NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  withdrawn_at timestamptz
);
CREATE INDEX invitation_open ON invitation (created_at) WHERE used_at IS NULL AND withdrawn_at IS NULL;

-- Who is signed in. The token in the cookie is not here.
CREATE TABLE session (
  token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
  person_id text NOT NULL REFERENCES person,
  created_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  address text
);
CREATE INDEX session_by_person ON session (person_id);
CREATE INDEX session_by_age ON session (seen_at);

-- How often somebody tried, for all replicas together: when the asker's bucket is full again.
CREATE TABLE attempt (
  who bytea PRIMARY KEY CHECK (length(who) = 32),
  full_at timestamptz NOT NULL
);
CREATE INDEX attempt_by_age ON attempt (full_at);

-- A sign-in by the identity provider that is under way, by the hash of the browser's cookie.
CREATE TABLE sign_on (
  id_hash bytea PRIMARY KEY CHECK (length(id_hash) = 32),
  state text NOT NULL,
  nonce text NOT NULL,
  code_verifier text NOT NULL,
  -- of an invitation that is accepted by it
  invitation_hash bytea,
  created_at timestamptz NOT NULL
);

-- Who, of the people of an actor; and whose history it is where no licence says that.
ALTER TABLE audit ADD COLUMN person text;
ALTER TABLE audit ADD COLUMN organisation_id text REFERENCES organisation;
CREATE INDEX audit_by_organisation ON audit (organisation_id, id) WHERE organisation_id IS NOT NULL;
