-- A lease may be several seats: as many as its holder's key says, each of its feature's weight (size_of).
ALTER TABLE pool ADD COLUMN weights jsonb;                         -- by feature; NULL: each lease is one seat
