-- Why: the state of each point now, and the spans in which it was the same: the ground truth for
-- service levels. Everything here can be computed anew from the measurements.
-- Runs beside the previous release because there is none.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE statuses (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    state           text NOT NULL CONSTRAINT statuses_state CHECK (state IN ('UP', 'DEGRADED', 'DOWN', 'UNKNOWN')),
    since           timestamptz NOT NULL,
    reason          text NOT NULL,
    last_time       timestamptz NOT NULL,
    fresh_until     timestamptz NOT NULL,
    memory          jsonb NOT NULL,
    PRIMARY KEY (region_code, point_id)
);
COMMENT ON COLUMN statuses.memory IS 'What the engine carries from one measurement to the next';
CREATE INDEX statuses_by_freshness ON statuses (fresh_until) WHERE state <> 'UNKNOWN';

CREATE TABLE state_intervals (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    start_time      timestamptz NOT NULL,
    end_time        timestamptz,
    state           text NOT NULL CONSTRAINT state_intervals_state CHECK (state IN ('UP', 'DEGRADED', 'DOWN', 'UNKNOWN')),
    reason          text NOT NULL,
    PRIMARY KEY (region_code, point_id, start_time),
    CONSTRAINT state_intervals_forward CHECK (end_time > start_time)
);
CREATE UNIQUE INDEX state_intervals_one_open ON state_intervals (region_code, point_id) WHERE end_time IS NULL;

CREATE TABLE checkpoints (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    last_time       timestamptz NOT NULL,
    memory          jsonb NOT NULL,
    PRIMARY KEY (region_code, point_id, last_time)
);
COMMENT ON TABLE checkpoints IS 'The memory at the end of each hour with measurements, and before each silence: where to begin again when an earlier one comes late, also when the rows before it are dropped';

CREATE TABLE writer_partitions (
    partition_id    smallint PRIMARY KEY
);
COMMENT ON TABLE writer_partitions IS 'Whoever locks a row writes that partition''s measurements, alone';
INSERT INTO writer_partitions (partition_id) SELECT generate_series(0, 7);

ALTER TABLE statuses ENABLE ROW LEVEL SECURITY;
ALTER TABLE state_intervals ENABLE ROW LEVEL SECURITY;
ALTER TABLE checkpoints ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON statuses USING (visible(region_code));
CREATE POLICY of_regions ON state_intervals USING (visible(region_code));
CREATE POLICY of_regions ON checkpoints USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE, DELETE ON statuses, state_intervals, checkpoints TO monitoring;
GRANT SELECT, UPDATE ON writer_partitions TO monitoring;

-- migrate:down
