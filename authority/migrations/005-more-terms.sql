-- Seats that one of a feature costs, and how far seats may be borrowed; NULL: not at all.
ALTER TABLE licence ADD COLUMN weights jsonb;
ALTER TABLE licence ADD COLUMN borrow jsonb;
