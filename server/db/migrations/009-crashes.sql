-- A crash of the database may lose renewals that were answered, since they are committed without waiting for the disk; so may a
-- fail-over to a standby. PostgreSQL empties an unlogged table in these cases, however fast it is back, and in no other. Without the
-- row of this one no expired seat is given to others, until expiry has been frozen for a lease time.
CREATE UNLOGGED TABLE uncrashed (one boolean PRIMARY KEY DEFAULT true CHECK (one));
INSERT INTO uncrashed DEFAULT VALUES;
