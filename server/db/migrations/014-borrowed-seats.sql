-- Seats that are taken along: kind -1, to the end that was promised; -2: written off, and counted until that end.
CREATE INDEX lease_borrowed ON lease (pool_id, holder) WHERE kind < 0;
ALTER TABLE pool ADD COLUMN borrowed int NOT NULL DEFAULT 0;       -- as of the last sweep
ALTER TABLE pool ADD COLUMN lost int NOT NULL DEFAULT 0;           -- as of the last sweep
