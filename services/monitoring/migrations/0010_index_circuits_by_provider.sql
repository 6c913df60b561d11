-- Why: statuses are filtered by the providers of the points' circuits.
-- Runs beside the previous release because an index changes no answer; made beside writers, so alone and
-- outside of a transaction. One that was interrupted leaves an invalid index, which serves nobody: the next
-- run then fails until it is dropped (DROP INDEX CONCURRENTLY circuits_by_provider).

-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY circuits_by_provider ON circuits (region_code, provider_id, point_id);

-- migrate:down
