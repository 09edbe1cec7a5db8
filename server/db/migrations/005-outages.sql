-- How long nobody may have been alive before an outage is assumed depends on the lease time: a holder is due every third of it,
-- so that an outage which nobody noticed may only be shorter than what is surely left of every held lease.
ALTER TABLE cluster ADD COLUMN patience interval NOT NULL DEFAULT '8 s';              -- written by each beat
ALTER TABLE cluster ADD COLUMN jumped_at timestamptz NOT NULL DEFAULT '-infinity';    -- the clock went on by more than a week: who knows
