-- Why: outages as people handle them: one incident for each, joined to those of the same district or
-- provider, with all that happened in it. The queue tells the engine which points to look at: it is
-- written in the transaction that changes a point's state, and only ever added to and deleted from, so
-- that writers and the engine never wait for each other.
-- Runs beside the previous release because it only adds tables, and a column that has a default.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE statuses ADD COLUMN flapping boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN statuses.flapping IS 'The measurements turn so often that no state lasts';

CREATE TABLE incident_queue (
    queue_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    from_time       timestamptz
);
CREATE INDEX incident_queue_by_region ON incident_queue (region_code);
COMMENT ON TABLE incident_queue IS 'Points whose incidents may have to change; a row goes when the engine has looked';
COMMENT ON COLUMN incident_queue.from_time IS 'From when on the point''s states are others than before; NULL when they are not';

CREATE TABLE circuits (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    circuit_id      text NOT NULL,
    provider_id     text NOT NULL,
    upstream_id     text,
    sequence        bigint NOT NULL,
    PRIMARY KEY (region_code, point_id, circuit_id)
);
COMMENT ON TABLE circuits IS 'Monitoring''s own copy of whose lines a point has and through which point they go, fed by the inventory''s events';

CREATE TABLE incident_regions (
    region_code     text PRIMARY KEY,
    number_year     smallint NOT NULL,
    last_number     integer NOT NULL
);
COMMENT ON TABLE incident_regions IS 'Whoever locks a row changes that region''s incidents, alone; it also holds the last number given';

CREATE TABLE incidents (
    region_code     text NOT NULL,
    incident_id     text NOT NULL,
    scope           text NOT NULL CONSTRAINT incidents_scope CHECK (scope IN ('POINT', 'DISTRICT', 'PROVIDER')),
    title           text NOT NULL,
    point_id        text,
    district_code   text,
    provider_id     text,
    parent_id       text,
    state           text NOT NULL CONSTRAINT incidents_state CHECK (state IN ('OPEN', 'ACKNOWLEDGED', 'RESOLVED')),
    score           double precision NOT NULL,
    priority        text NOT NULL CONSTRAINT incidents_priority CHECK (priority IN ('CRITICAL', 'HIGH', 'MEDIUM', 'LOW')),
    start_time      timestamptz NOT NULL,
    end_time        timestamptz,
    point_count     integer NOT NULL,
    down_count      integer NOT NULL,
    flapping        boolean NOT NULL,
    reopen_count    integer NOT NULL,
    assignee        text NOT NULL,
    cause           text,
    liability       text,
    by_hand         boolean NOT NULL,
    version         bigint NOT NULL,
    create_time     timestamptz NOT NULL,
    update_time     timestamptz NOT NULL,
    PRIMARY KEY (region_code, incident_id),
    CONSTRAINT incidents_parent FOREIGN KEY (region_code, parent_id) REFERENCES incidents DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT incidents_subject CHECK ((scope = 'POINT') = (point_id IS NOT NULL)),
    CONSTRAINT incidents_over CHECK ((state = 'RESOLVED') = (end_time IS NOT NULL)),
    CONSTRAINT incidents_forward CHECK (end_time >= start_time)
);
COMMENT ON COLUMN incidents.by_hand IS 'A person ended it; the engine opens no other for the same outage';
CREATE UNIQUE INDEX incidents_one_open ON incidents (region_code, point_id) WHERE state <> 'RESOLVED' AND scope = 'POINT';
CREATE INDEX incidents_by_point ON incidents (region_code, point_id, end_time);
CREATE INDEX incidents_by_parent ON incidents (region_code, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX incidents_lasting ON incidents (region_code) WHERE state <> 'RESOLVED';

CREATE TABLE incident_entries (
    region_code     text NOT NULL,
    incident_id     text NOT NULL,
    entry_id        bigint GENERATED ALWAYS AS IDENTITY,
    entry_time      timestamptz NOT NULL,
    actor           text NOT NULL,
    action          text NOT NULL,
    entry_text      text NOT NULL,
    PRIMARY KEY (region_code, incident_id, entry_id),
    CONSTRAINT incident_entries_of FOREIGN KEY (region_code, incident_id) REFERENCES incidents
);

ALTER TABLE incident_queue ENABLE ROW LEVEL SECURITY;
ALTER TABLE circuits ENABLE ROW LEVEL SECURITY;
ALTER TABLE incident_regions ENABLE ROW LEVEL SECURITY;
ALTER TABLE incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE incident_entries ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON incident_queue USING (visible(region_code));
CREATE POLICY of_regions ON circuits USING (visible(region_code));
CREATE POLICY of_regions ON incident_regions USING (visible(region_code));
CREATE POLICY of_regions ON incidents USING (visible(region_code));
CREATE POLICY of_regions ON incident_entries USING (visible(region_code));

GRANT SELECT, INSERT, DELETE ON incident_queue TO monitoring;
GRANT SELECT, INSERT, UPDATE, DELETE ON circuits TO monitoring;
GRANT SELECT, INSERT, UPDATE ON incident_regions, incidents TO monitoring;
GRANT SELECT, INSERT ON incident_entries TO monitoring;

-- migrate:down
