-- Names of bases, users and computers are compared without regard to case and in Unicode's NFC form: holder and base are folded
-- (server/seats/holderKey.ts). The server folds what is there (server/seats/foldNames.ts), since a database's own lower() goes by its locale.
ALTER TABLE lease ADD COLUMN shown text;                          -- how the holder was spelled, where that is not its key
ALTER TABLE denial ADD COLUMN shown text;
ALTER TABLE cluster ADD COLUMN folded_at timestamptz;             -- since when all names are folded
ALTER TABLE cluster ADD COLUMN adoptions int NOT NULL DEFAULT 0;  -- changes of base_owner that servers must read again

-- Which instance of a base owns its name, and who else has come under it.
CREATE TABLE base_owner (
  base        text COLLATE "C" PRIMARY KEY,
  shown       text NOT NULL,                                      -- as it was spelled
  instance    uuid,                                               -- the owner; NULL: none has said so
  since       timestamptz NOT NULL,
  conflict    text CHECK (conflict IN ('instance', 'reports')),   -- another instance asked; reports of two take each other's seats
  rival       uuid,                                               -- that other instance
  conflict_at timestamptz                                         -- when last
);
CREATE INDEX base_owner_conflict ON base_owner (conflict_at) WHERE conflict_at IS NOT NULL;
