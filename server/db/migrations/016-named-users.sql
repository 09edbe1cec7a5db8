-- Persons whose a seat is, of products whose licences are for named users.
CREATE TABLE assignment (
  pool_id     smallint NOT NULL,
  person      text COLLATE "C" NOT NULL,                           -- the user's name, folded
  shown       text NOT NULL,                                       -- as it was spelled
  assigned_at timestamptz NOT NULL,
  used_at     timestamptz,                                         -- when the person last took a seat or renewed it by a check-out, to the hour; NULL: never
  PRIMARY KEY (pool_id, person)
);
ALTER TABLE pool ADD COLUMN named boolean NOT NULL DEFAULT false;  -- only who is in assignment has a seat
ALTER TABLE pool ADD COLUMN assigned int NOT NULL DEFAULT 0;        -- persons, as of the last sweep
ALTER TABLE pool ADD COLUMN unused int NOT NULL DEFAULT 0;          -- those of them who have not used their seat for 30 days
