-- Whose limits the pools have: the computer, and its folder of activations. No row: nobody has served an external database yet.
CREATE TABLE ledger_owner (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  fingerprint text NOT NULL,
  folder      text NOT NULL,
  seen_at     timestamptz NOT NULL
);

-- An act is noted before it is done. NULL: it was done; 'unknown': it was begun, and its end was never told.
ALTER TABLE audit ADD COLUMN outcome text;
