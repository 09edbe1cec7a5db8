-- What a seat is, and who may have how many (server/seats/ledger.ts).
ALTER TABLE pool ADD COLUMN count_by text                          -- NULL: each lease is a seat, and none is bounded by a rule: there are no rows of seat
  CHECK (count_by IN ('session', 'user', 'host', 'userOnHost', 'base'));
ALTER TABLE pool ADD COLUMN overdraft int NOT NULL DEFAULT 0 CHECK (overdraft >= 0);  -- seats that may be in use beyond seat_limit
ALTER TABLE waiter ADD COLUMN priority int NOT NULL DEFAULT 0;     -- whoever has a higher one comes first

-- One row a seat of a pool with count_by: leases with the same part (part_of) share it.
CREATE TABLE seat (
  pool_id smallint NOT NULL,
  part    text COLLATE "C" NOT NULL,
  leases  int NOT NULL,
  slot    smallint NOT NULL DEFAULT 0,                             -- as in lease
  tallies text,                                                    -- in which it counts, joined by U+001E
  PRIMARY KEY (pool_id, part)
) WITH (fillfactor=60, autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_threshold=2000, autovacuum_vacuum_cost_delay=1);

-- Seats in use that count for a rule, or for one user of it.
CREATE TABLE tally (
  pool_id smallint NOT NULL,
  key     text COLLATE "C" NOT NULL,
  used    int NOT NULL,
  PRIMARY KEY (pool_id, key)
) WITH (fillfactor=50, autovacuum_vacuum_scale_factor=0.05, autovacuum_vacuum_threshold=1000, autovacuum_vacuum_cost_delay=1);
