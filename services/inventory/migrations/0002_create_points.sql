-- Why: the service points. A point's code is used once on the whole platform: it is what people
-- write on a device, on a bill and into a measurement.
-- Runs beside the previous release because there is none.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE points (
    region_code     text NOT NULL REFERENCES regions,
    point_id        text NOT NULL,
    display_name    text NOT NULL CONSTRAINT points_display_name_length CHECK (char_length(display_name) BETWEEN 1 AND 200),
    kind            text NOT NULL CONSTRAINT points_kind CHECK (kind IN ('OPD', 'DISTRICT_OFFICE', 'VILLAGE_OFFICE',
                        'HEALTH_CENTRE', 'AUXILIARY_HEALTH_POST', 'SCHOOL', 'PUBLIC_SPACE', 'OTHER')),
    village_code    text,
    district_code   text NOT NULL,
    latitude        double precision CONSTRAINT points_latitude CHECK (latitude BETWEEN -90 AND 90),
    longitude       double precision CONSTRAINT points_longitude CHECK (longitude BETWEEN -180 AND 180),
    location_source text NOT NULL CONSTRAINT points_location_source CHECK (location_source IN ('SURVEYED',
                        'SCHOOL_REGISTER', 'POINT_IN_POLYGON', 'UNKNOWN')),
    address         text NOT NULL,
    contact_sealed  bytea,
    contact_masked  jsonb,
    technology      text CONSTRAINT points_technology CHECK (technology IN ('FO', 'RADIO', 'VSAT', 'LEO', 'MODEM_4G', 'NONE')),
    state           text NOT NULL CONSTRAINT points_state CHECK (state IN ('PLANNED', 'ACTIVE', 'SUSPENDED', 'RETIRED')),
    tags            text[] NOT NULL,
    external_ids    jsonb NOT NULL,
    provenance      text NOT NULL CONSTRAINT points_provenance CHECK (provenance IN ('OFFICIAL', 'DERIVED', 'SIMULATED', 'REPORTED')),
    source          text NOT NULL,
    warnings        jsonb NOT NULL DEFAULT '[]',
    version         integer NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    search_text     text GENERATED ALWAYS AS (lower(point_id || ' ' || display_name || ' ' || address || ' ' || external_ids::text)) STORED,
    PRIMARY KEY (region_code, point_id),
    CONSTRAINT points_code_once UNIQUE (point_id),
    CONSTRAINT points_village FOREIGN KEY (region_code, village_code) REFERENCES villages (region_code, village_code),
    CONSTRAINT points_district FOREIGN KEY (region_code, district_code) REFERENCES districts (region_code, district_code),
    CONSTRAINT points_location_whole CHECK ((latitude IS NULL) = (longitude IS NULL)),
    CONSTRAINT points_contact_whole CHECK ((contact_sealed IS NULL) = (contact_masked IS NULL))
);

CREATE INDEX points_by_village ON points (region_code, village_code);
CREATE INDEX points_by_district ON points (region_code, district_code);

GRANT SELECT, INSERT, UPDATE, DELETE ON points TO inventory;

-- migrate:down
