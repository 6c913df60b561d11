-- Why: what a service tells others is written in the transaction of its change, and published after.
-- Runs beside the previous release because that one does not know these tables.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE event_positions (
    resource        text PRIMARY KEY,
    last_sequence   bigint NOT NULL
);
COMMENT ON TABLE event_positions IS 'How many events a resource has had; its row lock orders them as their transactions commit';

CREATE TABLE outbox_partitions (
    partition_id    smallint PRIMARY KEY
);
COMMENT ON TABLE outbox_partitions IS 'Whoever locks a row publishes the events of that partition, alone';
INSERT INTO outbox_partitions (partition_id) SELECT generate_series(0, 15);

CREATE TABLE outbox (
    outbox_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        uuid NOT NULL CONSTRAINT outbox_event_once UNIQUE,
    partition_id    smallint NOT NULL REFERENCES outbox_partitions,
    resource        text NOT NULL,
    sequence        bigint NOT NULL,
    subject         text NOT NULL,
    headers         jsonb NOT NULL,
    body            bytea NOT NULL,
    create_time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    publish_time    timestamptz,
    CONSTRAINT outbox_sequence_once UNIQUE (resource, sequence)
);
COMMENT ON TABLE outbox IS 'Published events stay for some days: a bus that lost its disk gets them again';

CREATE INDEX outbox_pending ON outbox (partition_id, outbox_id) WHERE publish_time IS NULL;
CREATE INDEX outbox_published ON outbox (publish_time) WHERE publish_time IS NOT NULL;

CREATE TABLE outbox_streams (
    stream          text PRIMARY KEY,
    created         text NOT NULL,
    last_sequence   bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE outbox_streams IS 'When the bus says that a stream was created, and the last place in it that it acknowledged: another time, or an earlier place, means that it lost events';

DO $$
DECLARE service text := regexp_replace(current_user, '_owner$', '');
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON event_positions TO %I', service);
    EXECUTE format('GRANT SELECT, UPDATE ON outbox_partitions TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON outbox_streams TO %I', service);
END $$;

-- migrate:down
