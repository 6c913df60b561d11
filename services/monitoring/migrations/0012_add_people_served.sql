-- Why: whom an outage hits: the people that the inventory says a point serves, and their sum of an incident.
-- Runs beside the previous release because the columns may be NULL or have a default: what that release
-- writes counts nobody until the engine looks at the point again.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE points ADD COLUMN people_served integer;
COMMENT ON COLUMN points.people_served IS 'NULL: nobody has said';
ALTER TABLE incidents
    ADD COLUMN people integer NOT NULL DEFAULT 0,
    ADD COLUMN people_down integer NOT NULL DEFAULT 0,
    ADD COLUMN people_unknown integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN incidents.people IS 'Served by the points that are or were down in it, as far as known';
COMMENT ON COLUMN incidents.people_down IS 'Served by those of them that are down now, as far as known';
COMMENT ON COLUMN incidents.people_unknown IS 'How many of the points serve nobody knows how many';

-- migrate:down
