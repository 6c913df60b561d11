-- Why: people know a district by its name; incidents of districts bore its code.
-- Runs beside the previous release because that one knows nothing of the table.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE districts (
    region_code     text NOT NULL,
    district_code   text NOT NULL,
    display_name    text NOT NULL,
    sequence        bigint NOT NULL,
    PRIMARY KEY (region_code, district_code)
);
COMMENT ON TABLE districts IS 'Monitoring''s own copy of the inventory''s districts, fed by its events; sequence is that of the event';

ALTER TABLE districts ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON districts USING (visible(region_code));
GRANT SELECT, INSERT, UPDATE ON districts TO monitoring;

-- migrate:down
