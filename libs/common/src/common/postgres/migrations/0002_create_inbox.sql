-- Why: an event has exactly one effect: what was handled is written in the transaction of its effect.
-- Runs beside the previous release because that one does not know these tables.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE inbox (
    consumer        text NOT NULL,
    event_id        uuid NOT NULL,
    handle_time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_by_time ON inbox (handle_time);

CREATE TABLE inbox_positions (
    consumer        text NOT NULL,
    resource        text NOT NULL,
    last_sequence   bigint NOT NULL,
    PRIMARY KEY (consumer, resource)
);
COMMENT ON TABLE inbox_positions IS 'The last event of each resource that a consumer has passed; a later one waits for its predecessor';

CREATE TABLE inbox_failures (
    consumer        text NOT NULL,
    event_id        uuid NOT NULL,
    resource        text NOT NULL,
    tries           integer NOT NULL,
    error           text NOT NULL,
    last_time       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_failures_by_resource ON inbox_failures (consumer, resource);

DO $$
DECLARE service text := regexp_replace(current_user, '_owner$', '');
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON inbox, inbox_positions, inbox_failures TO %I', service);
END $$;

-- migrate:down
