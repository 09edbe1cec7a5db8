-- The ledger: what is held, by whom, until when. Rules: server/seats/ledger.ts; their batched twin: 002-seat-functions.sql.

-- One row a product. Counters live here, so that a grant, a denial and a scrape cost the same however many leases exist.
-- fillfactor 10: the row is updated with each batch and stays on its page (HOT).
CREATE TABLE pool (
  pool_id      smallint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (MAXVALUE 4095),  -- fits into the 12 bits that a lease id carries
  product      text COLLATE "C" NOT NULL UNIQUE CHECK (length(product) BETWEEN 1 AND 63),
  seat_limit   int NOT NULL DEFAULT 0 CHECK (seat_limit >= 0),
  in_use       int NOT NULL DEFAULT 0 CHECK (in_use >= 0),        -- rows of lease, expired ones included: they may be revived
  peak         int NOT NULL DEFAULT 0,                            -- highest in_use since the last usage row
  next_expiry  timestamptz NOT NULL DEFAULT 'infinity',           -- LOWER BOUND of min(expires_at): nothing is due before
  frozen_until timestamptz NOT NULL DEFAULT '-infinity',          -- after an outage: nothing expires before
  waiting      int NOT NULL DEFAULT 0,                            -- rows of waiter
  reserved     int[],                                             -- seats of each reservation, NULL: none
  reserved_used int[],                                            -- seats in use of each reservation
  reservations text,                                              -- what `reserved` was made from
  stale        int NOT NULL DEFAULT 0,                            -- as of the last sweep
  stale_since  timestamptz,
  holders_waiting int NOT NULL DEFAULT 0                          -- as of the last sweep
) WITH (fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);

-- One row a held seat. holder is base, user, host and session joined by U+001F, so that a base is a range of the key.
-- Nothing that a heartbeat changes is indexed: renewals stay HOT.
CREATE TABLE lease (
  pool_id     smallint NOT NULL,
  kind        smallint NOT NULL,                                  -- 0 leased, 1 reported, 2 sticky
  slot        smallint NOT NULL DEFAULT 0,                        -- 0: a general seat, else the reservation's place in `reserved`
  lease_id    uuid NOT NULL,
  acquired_at timestamptz NOT NULL,
  renewed_at  timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,                               -- infinity unless leased
  holder      text COLLATE "C" NOT NULL CHECK (octet_length(holder) BETWEEN 4 AND 2403),
  subject     text,                                               -- the pod that holds it, where access is by service account
  PRIMARY KEY (pool_id, holder)
) WITH (fillfactor=60, autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_threshold=2000,
        autovacuum_vacuum_cost_delay=1, autovacuum_vacuum_insert_scale_factor=0.2);
CREATE UNIQUE INDEX lease_id_key ON lease (lease_id);
CREATE INDEX lease_unexpiring ON lease (pool_id, holder) WHERE kind > 0;
CREATE INDEX lease_subject ON lease (subject) WHERE subject IS NOT NULL;

-- When a base was last heard of by a report or by a check-out of a seat that does not expire.
CREATE TABLE base (
  base    text COLLATE "C" PRIMARY KEY,
  seen_at timestamptz NOT NULL
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.05);

-- Who waits for a seat, in fair order.
CREATE TABLE waiter (
  pool_id    smallint NOT NULL,
  holder     text COLLATE "C" NOT NULL,
  ticket     bigint GENERATED ALWAYS AS IDENTITY,
  since      timestamptz NOT NULL,
  live_until timestamptz NOT NULL,
  PRIMARY KEY (pool_id, holder)
);

-- What happened to seats. code: G granted; X released by the holder, E expired, P absent from a report, R cleared by a roll,
-- A taken back by an administrator, U its pod is gone.
CREATE TABLE event (
  at       timestamptz NOT NULL,
  pool_id  smallint NOT NULL,
  code     "char" NOT NULL,
  lease_id uuid NOT NULL,
  holder   text NOT NULL
);
CREATE INDEX event_at ON event USING brin (at);

-- One row: when any server was last alive, so that an outage is noticed and no holder pays for it.
CREATE TABLE cluster (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  alive_at timestamptz NOT NULL
) WITH (fillfactor=10);
INSERT INTO cluster (alive_at) VALUES (clock_timestamp());

CREATE TABLE replica (
  replica_id uuid PRIMARY KEY,
  seen_at    timestamptz NOT NULL
);

-- Clearings of stale seats at a start, one a given id: a crash does not clear again.
CREATE TABLE clearing (
  id           text PRIMARY KEY,
  at           timestamptz NOT NULL,
  stale_before int NOT NULL,
  cleared      int NOT NULL,
  kept         int NOT NULL
);

-- Refused check-outs, one row an episode of one holder.
CREATE TABLE denial (
  denial_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  product   text COLLATE "C" NOT NULL,
  holder    text COLLATE "C" NOT NULL,
  reason    text NOT NULL,
  first_at  timestamptz NOT NULL,
  last_at   timestamptz NOT NULL,
  attempts  bigint NOT NULL,
  open      boolean NOT NULL DEFAULT true,                         -- the holder may still be asking
  unmet     boolean NOT NULL DEFAULT false,                        -- not served within a minute
  served_at timestamptz
);
CREATE UNIQUE INDEX denial_open ON denial (product, holder, reason) WHERE open;
CREATE INDEX denial_last ON denial (last_at);

-- Every act of an administrator.
CREATE TABLE audit (
  audit_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  at       timestamptz NOT NULL DEFAULT now(),
  actor    text NOT NULL,
  action   text NOT NULL,
  target   text NOT NULL,
  reason   text,
  request_id text
);
CREATE INDEX audit_at ON audit (at);

-- Seats in use over time, in steps of a minute, an hour and a day.
CREATE TABLE usage (
  product      text COLLATE "C" NOT NULL,
  step_seconds int NOT NULL,
  at           timestamptz NOT NULL,
  seat_limit   int NOT NULL,
  peak         int NOT NULL,
  mean         real NOT NULL,
  samples      int NOT NULL,
  stale        int NOT NULL,
  denied       int NOT NULL DEFAULT 0,
  PRIMARY KEY (product, step_seconds, at)
);
