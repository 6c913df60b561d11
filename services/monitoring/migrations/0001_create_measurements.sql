-- Why: what probes saw, and the points they saw it of. A measurement is known by its point, source and
-- time; those of a day lie in a table of their own, so that old days are dropped without a scan.
-- Runs beside the previous release because there is none.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE points (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    display_name    text NOT NULL,
    kind            text NOT NULL,
    district_code   text NOT NULL,
    technology      text NOT NULL,
    state           text NOT NULL,
    sequence        bigint NOT NULL,
    PRIMARY KEY (region_code, point_id)
);
COMMENT ON TABLE points IS 'Monitoring''s own copy of the inventory''s points, fed by its events; sequence is that of the event';

CREATE TABLE measurements (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    source          text NOT NULL,
    measure_time    timestamptz NOT NULL,
    packets_sent    smallint,
    packets_received smallint,
    rtt_min_ms      real,
    rtt_mean_ms     real,
    rtt_max_ms      real,
    rtt_p95_ms      real,
    jitter_ms       real,
    success         boolean,
    http_ms         real,
    dns_ms          real,
    download_mbps   real,
    upload_mbps     real,
    method          text NOT NULL,
    CONSTRAINT measurements_once PRIMARY KEY (region_code, point_id, measure_time, source),
    CONSTRAINT measurements_received CHECK (packets_received <= packets_sent)
) PARTITION BY RANGE (measure_time);

-- Makes the tables of the days from the first to the last, and drops those before the first. A drop
-- waits for writers half a second at most, and is tried again in the next hour.
CREATE FUNCTION keep_days(oldest date, last date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    part record;
    day date := oldest;
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('days of measurements', 0));
    WHILE day <= last LOOP
        name := 'measurements_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE measurements INCLUDING ALL)', name);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE measurements ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, day::text || ' 00:00+00', (day + 1)::text || ' 00:00+00');
        END IF;
        day := day + 1;
    END LOOP;
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'measurements'::regclass
           AND relname < 'measurements_' || to_char(oldest, 'YYYYMMDD')
    LOOP
        EXECUTE format('DROP TABLE %I', part.relname);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION keep_days FROM PUBLIC;

ALTER TABLE points ENABLE ROW LEVEL SECURITY;
ALTER TABLE measurements ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON points USING (visible(region_code));
CREATE POLICY of_regions ON measurements USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE, DELETE ON points TO monitoring;
GRANT SELECT, INSERT ON measurements TO monitoring;
GRANT EXECUTE ON FUNCTION keep_days TO monitoring;

-- migrate:down
