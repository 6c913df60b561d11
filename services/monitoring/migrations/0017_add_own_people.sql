-- Why: whom an outage hits: the incident of a point counts those behind it too. What the point serves by
-- itself is kept beside that, for the sums of the incidents that it is a part of.
-- Runs beside the previous release because the columns may be NULL, as in all that release writes: the point
-- alone was counted then. What it sums up counts those behind a point twice until the engine looks again.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE incidents
    ADD COLUMN own_people integer,
    ADD COLUMN own_unknown integer,
    ADD COLUMN own_score double precision;
COMMENT ON COLUMN incidents.people IS 'Served by the points that are or were down in it, those behind others too, as far as known';
COMMENT ON COLUMN incidents.own_people IS 'Of a point''s incident: served by that point alone; NULL: as people';
COMMENT ON COLUMN incidents.own_unknown IS '1 when nobody knows how many the point serves; NULL: as people_unknown';
COMMENT ON COLUMN incidents.own_score IS 'How urgent the point''s outage is by itself; NULL: as score';

-- migrate:down
