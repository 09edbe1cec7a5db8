-- Times without any server, as the first beat after each has found them. Nobody could be heard meanwhile, so they are no silence of a
-- base: whoever reckons with silence leaves them out, and no seat is written to for an outage, however many there are.
CREATE TABLE outage (
  began_at timestamptz PRIMARY KEY,
  ended_at timestamptz NOT NULL
);
