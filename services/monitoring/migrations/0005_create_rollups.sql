-- Why: the history of a point over months must neither read a row a minute nor end where those rows are
-- dropped. An hour's roll-up is a function of its measurements, a day's of its hours', so that both can be
-- made anew at any time. An hour whose measurements changed since is marked, in the very transaction that
-- changed them and by the database itself; whoever reads a marked hour reads its measurements.
-- Runs beside the previous release because that release's inserts mark their hours too. Writers wait while
-- the hours of what is stored already are marked; the stream holds what they would write.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '10min'; -- one pass over all measurements, once

CREATE TABLE hourly_roll_ups (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    source          text NOT NULL,
    start_time      timestamptz NOT NULL,
    measurements    integer NOT NULL,
    packets_sent    bigint NOT NULL,
    packets_received bigint NOT NULL,
    interval_s      real,
    rtt_mean_ms     bytea,
    loss            bytea,
    jitter_ms       bytea,
    http_ms         bytea,
    dns_ms          bytea,
    download_mbps   bytea,
    upload_mbps     bytea,
    CONSTRAINT hourly_roll_ups_once PRIMARY KEY (region_code, point_id, start_time, source)
) PARTITION BY RANGE (start_time);
COMMENT ON TABLE hourly_roll_ups IS 'What a source''s measurements of a point in an hour of UTC come to';
COMMENT ON COLUMN hourly_roll_ups.interval_s IS 'The median time from one measurement to the next; NULL when too few are there to tell';
COMMENT ON COLUMN hourly_roll_ups.rtt_mean_ms IS 'Sum, least, greatest and histogram of the figure, as storage/spreads.py writes them; NULL when it was not measured';

CREATE TABLE daily_roll_ups (
    LIKE hourly_roll_ups INCLUDING COMMENTS,
    CONSTRAINT daily_roll_ups_once PRIMARY KEY (region_code, point_id, start_time, source)
);
COMMENT ON TABLE daily_roll_ups IS 'What the hourly roll-ups of a day of the region''s clock come to; kept for ever';

CREATE TABLE roll_up_marks (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    hour            timestamptz NOT NULL,
    marked_time     timestamptz NOT NULL,
    PRIMARY KEY (region_code, point_id, hour)
);
COMMENT ON TABLE roll_up_marks IS 'Hours with measurements that their roll-ups do not hold yet; marked_time is the first since they were made';

-- The update changes nothing but locks the mark, so that nobody makes the roll-up and takes the mark
-- away before these measurements can be seen.
CREATE FUNCTION mark_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO roll_up_marks (region_code, point_id, hour, marked_time)
    SELECT DISTINCT region_code, point_id, date_trunc('hour', measure_time, 'UTC'), now()
      FROM added
     ORDER BY 1, 2, 3
        ON CONFLICT (region_code, point_id, hour) DO UPDATE
       SET hour = excluded.hour
     WHERE false;
    RETURN NULL;
END $$;

CREATE TRIGGER measurements_mark_hours AFTER INSERT ON measurements
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION mark_hours();

INSERT INTO roll_up_marks (region_code, point_id, hour, marked_time)
SELECT DISTINCT region_code, point_id, date_trunc('hour', measure_time, 'UTC'), now()
  FROM measurements;

-- As before, but a day with a marked hour stays until that is rolled up. The lock, which the drop needs in
-- any case, lets no writer mark one in between.
CREATE OR REPLACE FUNCTION keep_days(oldest date, last date) RETURNS void
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
        SELECT relname, to_date(right(relname, 8), 'YYYYMMDD') AS day
          FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'measurements'::regclass
           AND relname < 'measurements_' || to_char(oldest, 'YYYYMMDD')
    LOOP
        LOCK TABLE ONLY measurements IN ACCESS EXCLUSIVE MODE;
        CONTINUE WHEN EXISTS (
            SELECT
              FROM roll_up_marks
             WHERE hour >= (part.day::text || ' 00:00+00')::timestamptz
               AND hour < ((part.day + 1)::text || ' 00:00+00')::timestamptz);
        EXECUTE format('DROP TABLE %I', part.relname);
    END LOOP;
END $$;

-- Makes the tables of the months from the first to the last day, and drops those that lie before the
-- oldest. A drop waits half a second at most, and is tried again in the next hour.
CREATE FUNCTION keep_months(oldest date, first date, last date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
DECLARE
    part record;
    month date := date_trunc('month', first);
    name text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('months of roll-ups', 0));
    WHILE month <= last LOOP
        name := 'hourly_roll_ups_' || to_char(month, 'YYYYMM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE hourly_roll_ups INCLUDING ALL)', name);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE hourly_roll_ups ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00');
        END IF;
        month := month + interval '1 month';
    END LOOP;
    FOR part IN
        SELECT relname
          FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'hourly_roll_ups'::regclass
           AND relname < 'hourly_roll_ups_' || to_char(oldest, 'YYYYMM')
    LOOP
        EXECUTE format('DROP TABLE %I', part.relname);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION keep_months FROM PUBLIC;

ALTER TABLE hourly_roll_ups ENABLE ROW LEVEL SECURITY;
ALTER TABLE daily_roll_ups ENABLE ROW LEVEL SECURITY;
ALTER TABLE roll_up_marks ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON hourly_roll_ups USING (visible(region_code));
CREATE POLICY of_regions ON daily_roll_ups USING (visible(region_code));
CREATE POLICY of_regions ON roll_up_marks USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE ON hourly_roll_ups, daily_roll_ups TO monitoring;
GRANT SELECT, INSERT, UPDATE, DELETE ON roll_up_marks TO monitoring;
GRANT EXECUTE ON FUNCTION keep_months TO monitoring;

-- migrate:down
