-- A key of a trial; the key of an extension that was paid for is none any more.
ALTER TABLE licence_key ADD COLUMN trial boolean NOT NULL DEFAULT false;

-- What a seat of the licence is, and how many may be in use beyond its seats.
ALTER TABLE licence ADD COLUMN count_by text NOT NULL DEFAULT 'session'
  CHECK (count_by IN ('session', 'user', 'host', 'userOnHost', 'base'));
ALTER TABLE licence ADD COLUMN overdraft_seats int NOT NULL DEFAULT 0 CHECK (overdraft_seats >= 0);
