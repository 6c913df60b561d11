-- Why: work that was announced is no outage: while an approved window covers a point, it is in
-- MAINTENANCE. Which points a window covered at what time is kept for service levels, so it is written
-- down for each point when an occurrence begins; what a window covers later changes nothing of it.
-- Runs beside the previous release because it only adds tables and a function.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE maintenance_windows (
    region_code     text NOT NULL,
    window_id       text NOT NULL,
    title           text NOT NULL,
    reason          text NOT NULL,
    point_ids       text[] NOT NULL,
    district_codes  text[] NOT NULL,
    provider_ids    text[] NOT NULL,
    start_time      timestamptz NOT NULL,
    end_time        timestamptz NOT NULL,
    recurrence      text NOT NULL,
    state           text NOT NULL CONSTRAINT maintenance_windows_state CHECK (state IN ('REQUESTED', 'APPROVED', 'REJECTED', 'CANCELLED')),
    requester       text NOT NULL,
    notice_hours    double precision NOT NULL,
    decider         text NOT NULL DEFAULT '',
    decide_time     timestamptz,
    approval_notice_hours double precision NOT NULL DEFAULT 0,
    explanation     text NOT NULL DEFAULT '',
    canceller       text NOT NULL DEFAULT '',
    cancel_time     timestamptz,
    occurrence_count integer NOT NULL,
    last_end_time   timestamptz NOT NULL,
    point_count     integer NOT NULL,
    version         bigint NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, window_id),
    CONSTRAINT maintenance_windows_forward CHECK (end_time > start_time),
    CONSTRAINT maintenance_windows_of_something CHECK (cardinality(point_ids) + cardinality(district_codes) + cardinality(provider_ids) > 0),
    CONSTRAINT maintenance_windows_four_eyes CHECK (state <> 'APPROVED' OR decider <> requester)
);
CREATE INDEX maintenance_windows_by_start ON maintenance_windows (region_code, start_time, window_id);

CREATE TABLE maintenance_occurrences (
    region_code     text NOT NULL,
    window_id       text NOT NULL,
    start_time      timestamptz NOT NULL,
    end_time        timestamptz NOT NULL,
    phase           text NOT NULL DEFAULT 'REQUESTED' CONSTRAINT maintenance_occurrences_phase CHECK (phase IN ('REQUESTED', 'PLANNED', 'OVER')),
    is_spread       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (region_code, window_id, start_time),
    CONSTRAINT maintenance_occurrences_of FOREIGN KEY (region_code, window_id) REFERENCES maintenance_windows,
    CONSTRAINT maintenance_occurrences_forward CHECK (end_time > start_time)
);
COMMENT ON COLUMN maintenance_occurrences.phase IS 'PLANNED from the approval until its end has been told; OVER for ever after';
COMMENT ON COLUMN maintenance_occurrences.is_spread IS 'Its points have their spans; one that comes later is covered from then on';
CREATE INDEX maintenance_occurrences_planned ON maintenance_occurrences (start_time) WHERE phase = 'PLANNED';

CREATE TABLE maintenance_spans (
    region_code     text NOT NULL,
    point_id        text NOT NULL,
    window_id       text NOT NULL,
    occurrence_time timestamptz NOT NULL,
    start_time      timestamptz NOT NULL,
    end_time        timestamptz NOT NULL,
    phase           text NOT NULL DEFAULT 'AHEAD' CONSTRAINT maintenance_spans_phase CHECK (phase IN ('AHEAD', 'BEGUN', 'OVER')),
    PRIMARY KEY (region_code, window_id, occurrence_time, point_id),
    CONSTRAINT maintenance_spans_of FOREIGN KEY (region_code, window_id, occurrence_time) REFERENCES maintenance_occurrences ON DELETE CASCADE,
    CONSTRAINT maintenance_spans_forward CHECK (end_time > start_time)
);
COMMENT ON TABLE maintenance_spans IS 'When which window covers which point: written some minutes ahead, never changed after its end';
COMMENT ON COLUMN maintenance_spans.phase IS 'What others have been told: nothing yet, the begin, the end';
COMMENT ON COLUMN maintenance_spans.occurrence_time IS 'The begin of the occurrence; of a point that came later the span begins later';
CREATE INDEX maintenance_spans_by_point ON maintenance_spans (region_code, point_id, end_time);

CREATE FUNCTION maintenance_coverage(region text, maintenance_window text) RETURNS TABLE (point_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT points.point_id
      FROM maintenance_windows
     CROSS JOIN unnest(point_ids) AS named (point_id)
      JOIN points ON points.region_code = region AND points.point_id = named.point_id
     WHERE maintenance_windows.region_code = region AND window_id = maintenance_window
     UNION
    SELECT points.point_id
      FROM maintenance_windows
     CROSS JOIN unnest(district_codes) AS named (district_code)
      JOIN points ON points.region_code = region AND points.district_code = named.district_code
     WHERE maintenance_windows.region_code = region AND window_id = maintenance_window
     UNION
    SELECT points.point_id
      FROM maintenance_windows
     CROSS JOIN unnest(provider_ids) AS named (provider_id)
      JOIN circuits ON circuits.region_code = region AND circuits.provider_id = named.provider_id
      JOIN points ON points.region_code = region AND points.point_id = circuits.point_id
     WHERE maintenance_windows.region_code = region AND window_id = maintenance_window;
END;
COMMENT ON FUNCTION maintenance_coverage IS 'The points that a window covers as things are now';

ALTER TABLE maintenance_windows ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_occurrences ENABLE ROW LEVEL SECURITY;
ALTER TABLE maintenance_spans ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON maintenance_windows USING (visible(region_code));
CREATE POLICY of_regions ON maintenance_occurrences USING (visible(region_code));
CREATE POLICY of_regions ON maintenance_spans USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE ON maintenance_windows TO monitoring;
GRANT SELECT, INSERT, UPDATE, DELETE ON maintenance_occurrences, maintenance_spans TO monitoring;

-- migrate:down
