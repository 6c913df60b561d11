-- Why: files of other measurers name schools by their NPSN or Giga id, which the inventory's points carry
-- as external ids.
-- Runs beside the previous release because the column has a default: what that release writes has no
-- external ids until the point's next event.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE points ADD COLUMN external_ids jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN points.external_ids IS 'Ids in other registers by their key, such as npsn';

-- migrate:down
