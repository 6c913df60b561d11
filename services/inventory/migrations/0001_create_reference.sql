-- Why: regions, districts and villages, which every point stands in, with their polygons.
-- Runs beside the previous release because there is none.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE regions (
    region_code     text PRIMARY KEY CONSTRAINT regions_code_form CHECK (region_code ~ '^\d{2}\.\d{2}$'),
    display_name    text NOT NULL,
    aliases         text[] NOT NULL DEFAULT '{}',
    figures         jsonb NOT NULL DEFAULT '{}',
    positions       jsonb NOT NULL DEFAULT '{}',
    notice          text NOT NULL DEFAULT ''
);

CREATE TABLE districts (
    district_code   text PRIMARY KEY CONSTRAINT districts_code_form CHECK (district_code ~ '^\d{2}\.\d{2}\.\d{2}$'),
    region_code     text NOT NULL REFERENCES regions,
    display_name    text NOT NULL,
    aliases         text[] NOT NULL DEFAULT '{}',
    figures         jsonb NOT NULL DEFAULT '{}',
    positions       jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT districts_in_region UNIQUE (region_code, district_code)
);

CREATE TABLE villages (
    village_code    text PRIMARY KEY CONSTRAINT villages_code_form CHECK (village_code ~ '^\d{2}\.\d{2}\.\d{2}\.\d{4}$'),
    region_code     text NOT NULL REFERENCES regions,
    district_code   text NOT NULL REFERENCES districts,
    display_name    text NOT NULL,
    aliases         text[] NOT NULL DEFAULT '{}',
    kind            text NOT NULL CONSTRAINT villages_kind CHECK (kind IN ('DESA', 'KELURAHAN')),
    postal_code     text NOT NULL DEFAULT '',
    figures         jsonb NOT NULL DEFAULT '{}',
    positions       jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT villages_in_region UNIQUE (region_code, village_code)
);

CREATE INDEX villages_by_district ON villages (district_code);

CREATE TABLE boundaries (
    code            text PRIMARY KEY,
    region_code     text NOT NULL REFERENCES regions,
    geometry        bytea NOT NULL,
    source          text NOT NULL
);
COMMENT ON COLUMN boundaries.geometry IS 'WKB, WGS 84, degrees';

CREATE INDEX boundaries_by_region ON boundaries (region_code);

CREATE TABLE loads (
    region_code     text PRIMARY KEY REFERENCES regions,
    points_loaded   boolean NOT NULL DEFAULT false,
    load_time       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE loads IS 'When a region''s reference data last came, and whether its points ever did';

GRANT SELECT ON regions, districts, villages, boundaries, loads TO inventory;

-- migrate:down
