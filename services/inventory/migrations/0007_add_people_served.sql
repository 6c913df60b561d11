-- Why: how many people a point serves, so that monitoring can tell whom an outage hits.
-- Runs beside the previous release because that one names its columns and leaves the new one as it is.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE points
    ADD COLUMN people_served integer CONSTRAINT points_people_served CHECK (people_served BETWEEN 0 AND 1000000);
COMMENT ON COLUMN points.people_served IS 'NULL: nobody has said';

-- migrate:down
