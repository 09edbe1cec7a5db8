-- Licences whose seats are persons': for so many days at least; NULL: seats are whoever's.
ALTER TABLE licence ADD COLUMN reassign_after_days int CHECK (reassign_after_days BETWEEN 0 AND 3650);
ALTER TABLE licence ADD CHECK (reassign_after_days IS NULL OR count_by = 'user');
