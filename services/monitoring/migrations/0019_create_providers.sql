-- Why: people know a provider by its name; incidents of providers bore its id.
-- Runs beside the previous release because that one knows nothing of the table.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE providers (
    region_code     text NOT NULL,
    provider_id     text NOT NULL,
    display_name    text NOT NULL,
    sequence        bigint NOT NULL,
    PRIMARY KEY (region_code, provider_id)
);
COMMENT ON TABLE providers IS 'Monitoring''s own copy of the inventory''s providers, fed by its events; sequence is that of the event';

ALTER TABLE providers ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON providers USING (visible(region_code));
GRANT SELECT, INSERT, UPDATE, DELETE ON providers TO monitoring;

-- migrate:down
