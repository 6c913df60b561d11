-- Why: the history of every resource. Append-only: the service may insert and read, not change.
-- Runs beside the previous release because there is none.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE changes (
    change_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_code     text NOT NULL,
    resource        text NOT NULL,
    action          text NOT NULL,
    actor           text NOT NULL,
    change_time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id      text NOT NULL,
    before          jsonb,
    after           jsonb,
    changed_fields  text[] NOT NULL
);

CREATE INDEX changes_by_resource ON changes (resource, change_id DESC);

GRANT SELECT, INSERT ON changes TO inventory;

CREATE TABLE answered_requests (
    region_code     text NOT NULL,
    request_id      text NOT NULL,
    fingerprint     bytea NOT NULL,
    answer          bytea,
    create_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, request_id)
);
COMMENT ON TABLE answered_requests IS 'AIP-155: the same request id gives the same answer for 24 hours';

CREATE INDEX answered_requests_by_time ON answered_requests (create_time);

GRANT SELECT, INSERT, UPDATE, DELETE ON answered_requests TO inventory;

-- migrate:down
