-- Why: exporters that only add up (smokeping_prober) say what a line did between two readings, so the last
-- one is kept.
-- Runs beside the previous release because that one knows nothing of the table.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE counter_readings (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    source          text NOT NULL,
    read_time       timestamptz NOT NULL,
    sent            double precision NOT NULL,
    answered        double precision NOT NULL,
    seconds         double precision NOT NULL,
    lost            double precision NOT NULL,
    PRIMARY KEY (region_code, point_id, source)
);
COMMENT ON TABLE counter_readings IS 'What the counters of an exporter said last of a point; only points that there were have one';
COMMENT ON COLUMN counter_readings.seconds IS 'The sum of the round trips of all that was answered';
COMMENT ON COLUMN counter_readings.lost IS 'What had no answer until then and was not on its way, since the counters began';

ALTER TABLE counter_readings ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON counter_readings USING (visible(region_code));
GRANT SELECT, INSERT, UPDATE ON counter_readings TO monitoring;

-- migrate:down
