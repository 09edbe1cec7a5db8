-- Seats of idle programs go to whoever waits; a seat that is given back soon after it was taken stays taken for a while.
ALTER TABLE lease ADD COLUMN idle_after int;                       -- s that it may be idle; NULL: as long as it likes
ALTER TABLE lease ADD COLUMN idle_from timestamptz;                -- from then on its seat is for whoever waits; NULL: it is not idle
ALTER TABLE lease ADD COLUMN held_until timestamptz;               -- given back before, it lingers: kind -3, and ends then
CREATE INDEX lease_idle ON lease (pool_id, idle_from) WHERE idle_from IS NOT NULL;
ALTER TABLE pool ADD COLUMN lingers boolean NOT NULL DEFAULT false; -- there may be leases with any of these
ALTER TABLE pool ADD COLUMN idle int NOT NULL DEFAULT 0;            -- leases, as of the last sweep: idle for longer than they may
ALTER TABLE pool ADD COLUMN lingering int NOT NULL DEFAULT 0;       -- leases, as of the last sweep
