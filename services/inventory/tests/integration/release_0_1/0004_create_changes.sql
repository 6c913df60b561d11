-- Why: the history of every resource. Append-only: the service may insert and read, not change;
-- and chained, so that whoever could change a row cannot do so unseen.
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
    grant_held      text NOT NULL,
    method          text NOT NULL,
    change_time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id      text NOT NULL,
    before          jsonb,
    after           jsonb,
    changed_fields  text[] NOT NULL,
    transaction_id  xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON COLUMN changes.grant_held IS 'The grant that allowed it, as 64.01/operator; empty when nobody was asked';

CREATE INDEX changes_by_resource ON changes (resource, change_id DESC);

CREATE INDEX changes_by_transaction ON changes (transaction_id);

CREATE TABLE change_links (
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

CREATE FUNCTION digest_of_changes(wanted xid8, first bigint, last bigint) RETURNS bytea
LANGUAGE sql STABLE
RETURN (
SELECT sha256(convert_to(string_agg(
           concat_ws(E'\x1f', change_id, region_code, resource, action, actor, grant_held, method,
               extract(epoch FROM change_time), request_id, coalesce(before::text, ''),
               coalesce(after::text, ''), array_to_string(changed_fields, ',')),
           E'\x1e' ORDER BY change_id), 'UTF8'))
  FROM changes
 WHERE transaction_id = wanted AND change_id BETWEEN first AND last);

CREATE FUNCTION hash_of_link(previous bytea, digest bytea, first bigint, last bigint) RETURNS bytea
LANGUAGE sql IMMUTABLE
RETURN sha256(previous || digest || convert_to(first || '-' || last, 'UTF8'));

-- Called last in a transaction: who holds the chain makes every other writer wait.
CREATE FUNCTION link_changes() RETURNS void
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

GRANT SELECT, INSERT ON changes, change_links TO inventory;

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
