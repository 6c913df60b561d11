-- Why: the point that a line goes through, so that monitoring knows whose outage is whose consequence.
-- Runs beside the previous release because that one names its columns and leaves the new one NULL.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE circuits
    ADD COLUMN upstream_point_id text,
    ADD CONSTRAINT circuits_upstream FOREIGN KEY (region_code, upstream_point_id) REFERENCES points,
    ADD CONSTRAINT circuits_not_own_upstream CHECK (upstream_point_id <> point_id);
CREATE INDEX circuits_by_upstream ON circuits (region_code, upstream_point_id) WHERE upstream_point_id IS NOT NULL;

-- migrate:down
