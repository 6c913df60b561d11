-- Why: every service keeps the history of its resources, append-only and chained, so that whoever could
-- change a row cannot do so unseen; and answers a repeated request once. The inventory had these
-- tables first: its database keeps them as they are, and gains the trace.
-- Runs beside the previous release because that one names the columns that it writes.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE IF NOT EXISTS changes (
    change_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    region_code     text NOT NULL,
    resource        text NOT NULL,
    action          text NOT NULL,
    actor           text NOT NULL,
    grant_held      text NOT NULL,
    method          text NOT NULL,
    change_time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id      text NOT NULL,
    before          jsonb,
    after           jsonb,
    changed_fields  text[] NOT NULL,
    transaction_id  xid8 NOT NULL DEFAULT pg_current_xact_id(),
    trace_id        text
);
ALTER TABLE changes ADD COLUMN IF NOT EXISTS trace_id text;
COMMENT ON COLUMN changes.grant_held IS 'The grant that allowed it, as 64.01/operator; empty when nobody was asked';

CREATE INDEX IF NOT EXISTS changes_by_resource ON changes (resource, change_id DESC);

CREATE INDEX IF NOT EXISTS changes_by_transaction ON changes (transaction_id);

CREATE TABLE IF NOT EXISTS change_links (
    link_id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id  xid8 NOT NULL,
    first_change    bigint NOT NULL,
    last_change     bigint NOT NULL,
    change_count    bigint NOT NULL,
    digest          bytea NOT NULL,
    hash            bytea NOT NULL,
    create_time     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE change_links IS 'One link for each transaction: the digest of its changes, chained to the link before';

-- A row of the first release, which has no trace, keeps the digest that it had then. The others, for
-- which '' is no trace, have one that leaves no doubt where a value ends.
CREATE OR REPLACE FUNCTION digest_of_changes(wanted xid8, first bigint, last bigint) RETURNS bytea
LANGUAGE sql STABLE
RETURN (
SELECT sha256(convert_to(string_agg(
           CASE WHEN trace_id IS NULL
                THEN concat_ws(E'\x1f', change_id, region_code, resource, action, actor, grant_held,
                         method, extract(epoch FROM change_time), request_id,
                         coalesce(before::text, ''), coalesce(after::text, ''),
                         array_to_string(changed_fields, ','))
                ELSE jsonb_build_array(change_id, region_code, resource, action, actor, grant_held,
                         method, extract(epoch FROM change_time), request_id, before, after,
                         changed_fields, trace_id)::text
           END, E'\x1e' ORDER BY change_id), 'UTF8'))
  FROM changes
 WHERE transaction_id = wanted AND change_id BETWEEN first AND last);

CREATE OR REPLACE FUNCTION hash_of_link(previous bytea, digest bytea, first bigint, last bigint) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(previous || digest || convert_to(first || '-' || last, 'UTF8'));

-- Called last in a transaction: who holds the chain makes every other writer wait.
CREATE OR REPLACE FUNCTION link_changes() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    made record;
    digest bytea;
    previous bytea;
BEGIN
    SELECT pg_current_xact_id() AS transaction_id, min(change_id) AS first, max(change_id) AS last,
           count(*) AS change_count
      INTO made
      FROM changes
     WHERE transaction_id = pg_current_xact_id();
    IF made.change_count = 0 THEN
        RETURN;
    END IF;
    digest := digest_of_changes(made.transaction_id, made.first, made.last);
    PERFORM pg_advisory_xact_lock(hashtextextended('chain of changes', 0));
    SELECT hash INTO previous FROM change_links ORDER BY link_id DESC LIMIT 1;
    INSERT INTO change_links (transaction_id, first_change, last_change, change_count, digest, hash)
    VALUES (made.transaction_id, made.first, made.last, made.change_count, digest,
            hash_of_link(coalesce(previous, ''), digest, made.first, made.last));
END $$;

CREATE TABLE IF NOT EXISTS answered_requests (
    region_code     text NOT NULL,
    request_id      text NOT NULL,
    fingerprint     bytea NOT NULL,
    answer          bytea,
    create_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, request_id)
);
COMMENT ON TABLE answered_requests IS 'AIP-155: the same request id gives the same answer for 24 hours';

CREATE INDEX IF NOT EXISTS answered_requests_by_time ON answered_requests (create_time);

ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE answered_requests ENABLE ROW LEVEL SECURITY;

DO $$
DECLARE
    service text := regexp_replace(current_user, '_owner$', '');
    walled text;
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON changes, change_links TO %I', service);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON answered_requests TO %I', service);
    FOREACH walled IN ARRAY ARRAY['changes', 'answered_requests'] LOOP
        IF NOT EXISTS (SELECT FROM pg_policies WHERE tablename = walled AND policyname = 'of_regions') THEN
            EXECUTE format('CREATE POLICY of_regions ON %I USING (visible(region_code))', walled);
        END IF;
    END LOOP;
END $$;

-- migrate:down
