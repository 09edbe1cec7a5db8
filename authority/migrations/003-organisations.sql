-- Who buys. A customer's token names the organisation by its id, so a corrected name takes nothing away from it.
CREATE TABLE organisation (
  id text PRIMARY KEY,
  created_at timestamptz NOT NULL
);
-- Every name that it ever had: a token that names it by an old one still finds it.
CREATE TABLE organisation_name (
  name text PRIMARY KEY,
  organisation_id text NOT NULL REFERENCES organisation
);
CREATE INDEX organisation_name_by_id ON organisation_name (organisation_id);
WITH names AS (
  SELECT organisation AS name, 'org-' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16) AS id, min(created_at) AS at
    FROM licence GROUP BY 1
), made AS (
  INSERT INTO organisation (id, created_at) SELECT id, at FROM names
)
INSERT INTO organisation_name (name, organisation_id) SELECT name, id FROM names;
ALTER TABLE licence ADD COLUMN organisation_id text REFERENCES organisation;
UPDATE licence SET organisation_id = n.organisation_id FROM organisation_name n WHERE n.name = licence.organisation;
ALTER TABLE licence ALTER COLUMN organisation_id SET NOT NULL;
DROP INDEX licence_by_organisation;
CREATE INDEX licence_by_organisation ON licence (organisation_id, id);

-- From where, and with which token: the first characters of its SHA-256, which lead nobody to the token.
ALTER TABLE audit ADD COLUMN address text;
ALTER TABLE audit ADD COLUMN token text;
