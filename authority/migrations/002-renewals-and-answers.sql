-- An extension that is paid for; the customer takes it by making a key of its terms.
CREATE TABLE renewal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  licence_id text NOT NULL REFERENCES licence,
  seat_limit integer CHECK (seat_limit >= 0),
  support_until timestamptz,
  expires_at timestamptz,
  -- the vendor's own name for it: an order, an invoice
  reference text,
  granted_at timestamptz NOT NULL,
  taken_at timestamptz,
  taken_by_key text REFERENCES licence_key,
  CHECK (num_nonnulls(seat_limit, support_until, expires_at) > 0),
  CHECK ((taken_at IS NULL) = (taken_by_key IS NULL))
);
CREATE INDEX renewal_waiting ON renewal (licence_id, id) WHERE taken_at IS NULL;

-- Answers that made a key, given again to whoever repeats the request with the same idempotency key. The answer is
-- encrypted under that key, which is not here: a copy of the database gives no licence key away.
CREATE TABLE answered (
  id bytea PRIMARY KEY CHECK (length(id) = 32),
  request_hash bytea NOT NULL CHECK (length(request_hash) = 32),
  answer bytea NOT NULL,
  at timestamptz NOT NULL
);
CREATE INDEX answered_by_age ON answered (at);

-- After a copy was suspected, the vendor lets the next activation go on from anywhere.
ALTER TABLE licence_key ADD COLUMN pardoned boolean NOT NULL DEFAULT false;
CREATE INDEX licence_key_suspected ON licence_key (licence_id) WHERE clone_suspected_at IS NOT NULL;
