-- What housekeeping needs so that no call of it reads more than it does.

-- No refusal of this product is open after it: a grant then has no episode to end, and does not look for one.
ALTER TABLE pool ADD COLUMN asking_until timestamptz NOT NULL DEFAULT '-infinity';
UPDATE pool SET asking_until = now() + interval '21 min';

-- Open episodes by when the holder last asked, and those of whom nobody has said yet whether the demand is unmet.
CREATE INDEX denial_asking ON denial (last_at) WHERE open;
CREATE INDEX denial_unsettled ON denial (first_at) WHERE open AND NOT unmet AND reason IN ('SeatsExhausted', 'SeatsReserved');

-- Episodes that began since the last sample of usage.
CREATE TABLE denial_tally (
  product text COLLATE "C" PRIMARY KEY,
  n       int NOT NULL
);

-- A clearing goes in portions; one that was broken off goes on.
ALTER TABLE clearing ADD COLUMN done boolean NOT NULL DEFAULT true;
