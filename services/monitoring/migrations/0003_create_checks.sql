-- Why: what the central prober asks each point, who of several probers asks which part, and each packet's
-- fate beside the figures that are made of them, so that retries hide no failure.
-- Runs beside the previous release because that one names the columns that it writes, and the new ones may
-- be null; it knows nothing of the new tables.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE measurements
    ADD COLUMN attempts_ms real[],
    ADD COLUMN certificate_expiry timestamptz;
COMMENT ON COLUMN measurements.attempts_ms IS 'The round trip of each packet in the order of sending; null for one without an answer';

CREATE TABLE checks (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    check_id        text NOT NULL,
    partition_id    smallint NOT NULL,
    kind            text NOT NULL CONSTRAINT checks_kind CHECK (kind IN ('ICMP', 'STAMP', 'TCP', 'HTTP', 'DNS')),
    address         text NOT NULL,
    port            integer NOT NULL CONSTRAINT checks_port CHECK (port BETWEEN 0 AND 65535),
    packets         smallint NOT NULL CONSTRAINT checks_packets CHECK (packets BETWEEN 1 AND 100),
    spacing_ms      integer NOT NULL,
    timeout_ms      integer NOT NULL CONSTRAINT checks_timeout CHECK (timeout_ms > 0),
    interval_s      smallint NOT NULL CONSTRAINT checks_interval CHECK (interval_s BETWEEN 1 AND 3600),
    http            jsonb,
    dns             jsonb,
    paused          boolean NOT NULL,
    circuit_id      text,
    start_date      date,
    end_date        date,
    version         bigint NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, point_id, check_id)
);
COMMENT ON TABLE checks IS 'No key ties one to its point: the events of a circuit may come before those of the point';
COMMENT ON COLUMN checks.partition_id IS 'That of the point''s measurements; a prober asks whole partitions';
COMMENT ON COLUMN checks.circuit_id IS 'The circuit that it is derived from; its days of service are start_date and, no more, end_date';
CREATE INDEX checks_by_partition ON checks (region_code, partition_id);

CREATE TABLE probers (
    prober_id       uuid PRIMARY KEY,
    alive_until     timestamptz NOT NULL
);
CREATE TABLE prober_leases (
    region_code     text NOT NULL,
    partition_id    smallint NOT NULL,
    prober_id       uuid,
    held_until      timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (region_code, partition_id)
);
COMMENT ON TABLE prober_leases IS 'Which prober asks which partition of a region, until when unless it says so again';

CREATE FUNCTION tell_checks_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY checks;
    RETURN NULL;
END $$;
CREATE TRIGGER checks_changed AFTER INSERT OR UPDATE OR DELETE ON checks
    FOR EACH STATEMENT EXECUTE FUNCTION tell_checks_changed();
CREATE TRIGGER points_changed AFTER INSERT OR UPDATE OR DELETE ON points
    FOR EACH STATEMENT EXECUTE FUNCTION tell_checks_changed();

ALTER TABLE checks ENABLE ROW LEVEL SECURITY;
ALTER TABLE prober_leases ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON checks USING (visible(region_code));
CREATE POLICY of_regions ON prober_leases USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE, DELETE ON checks, probers, prober_leases TO monitoring;

-- migrate:down
