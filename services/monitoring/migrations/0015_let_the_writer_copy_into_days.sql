-- Why: COPY is the fastest way in, and PostgreSQL refuses it under row-level security. So the service may
-- insert into the table of a day itself, and nothing else there: whoever reads goes through measurements,
-- whose policy shows the rows of the caller's regions only. The writer marks the hours of what it copies.
-- Runs beside the previous release because that one inserts into measurements, whose policy and trigger stay.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = 'measurements'::regclass
    LOOP
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', part.relname);
        EXECUTE format('GRANT INSERT ON %I TO monitoring', part.relname);
    END LOOP;
END $$;

-- As before, but for those two lines.
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
            EXECUTE format('GRANT INSERT ON %I TO monitoring', name);
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

-- migrate:down
