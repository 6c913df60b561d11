-- Why: providers, the circuits they bring to points, devices and where each has been.
-- Runs beside the previous release because there is none.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE providers (
    region_code     text NOT NULL REFERENCES regions,
    provider_id     text NOT NULL,
    display_name    text NOT NULL,
    legal_name      text NOT NULL,
    support_desk    text NOT NULL,
    version         integer NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, provider_id)
);

CREATE TABLE circuits (
    region_code         text NOT NULL,
    point_id            text NOT NULL,
    circuit_id          text NOT NULL,
    provider_id         text NOT NULL,
    technology          text NOT NULL CONSTRAINT circuits_technology CHECK (technology IN ('FO', 'RADIO', 'VSAT', 'LEO', 'MODEM_4G', 'NONE')),
    service_id          text NOT NULL,
    download_mbps       double precision NOT NULL CONSTRAINT circuits_download CHECK (download_mbps >= 0),
    upload_mbps         double precision NOT NULL CONSTRAINT circuits_upload CHECK (upload_mbps >= 0),
    commitment          text CONSTRAINT circuits_commitment CHECK (commitment IN ('COMMITTED', 'BEST_EFFORT')),
    monitored_address   text NOT NULL,
    start_date          date,
    end_date            date,
    version             integer NOT NULL DEFAULT 1,
    create_time         timestamptz NOT NULL DEFAULT now(),
    update_time         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, point_id, circuit_id),
    CONSTRAINT circuits_point FOREIGN KEY (region_code, point_id) REFERENCES points,
    CONSTRAINT circuits_provider FOREIGN KEY (region_code, provider_id) REFERENCES providers,
    CONSTRAINT circuits_period CHECK (end_date >= start_date)
);

CREATE INDEX circuits_by_provider ON circuits (region_code, provider_id);

CREATE TABLE devices (
    region_code     text NOT NULL REFERENCES regions,
    device_id       text NOT NULL,
    display_name    text NOT NULL,
    kind            text NOT NULL CONSTRAINT devices_kind CHECK (kind IN ('ROUTER', 'ONT', 'MODEM', 'RADIO_UNIT',
                        'SATELLITE_TERMINAL', 'ACCESS_POINT', 'SWITCH', 'PROBE', 'POWER_SUPPLY', 'OTHER')),
    vendor          text NOT NULL,
    model           text NOT NULL,
    serial_number   text NOT NULL,
    state           text NOT NULL CONSTRAINT devices_state CHECK (state IN ('IN_STOCK', 'INSTALLED', 'RETIRED')),
    point_id        text,
    version         integer NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    search_text     text GENERATED ALWAYS AS (lower(device_id || ' ' || display_name || ' ' || vendor || ' ' || model || ' ' || serial_number)) STORED,
    PRIMARY KEY (region_code, device_id),
    CONSTRAINT devices_point FOREIGN KEY (region_code, point_id) REFERENCES points,
    CONSTRAINT devices_installed_in_point CHECK ((state = 'INSTALLED') = (point_id IS NOT NULL))
);

CREATE UNIQUE INDEX devices_serial_number_once ON devices (region_code, serial_number) WHERE serial_number <> '';
CREATE INDEX devices_by_point ON devices (region_code, point_id);

CREATE TABLE device_placements (
    region_code     text NOT NULL,
    device_id       text NOT NULL,
    point_id        text NOT NULL,
    install_time    timestamptz NOT NULL,
    remove_time     timestamptz,
    PRIMARY KEY (region_code, device_id, install_time),
    CONSTRAINT device_placements_device FOREIGN KEY (region_code, device_id) REFERENCES devices,
    CONSTRAINT device_placements_point FOREIGN KEY (region_code, point_id) REFERENCES points,
    CONSTRAINT device_placements_order CHECK (remove_time >= install_time)
);

CREATE UNIQUE INDEX device_placements_one_place ON device_placements (region_code, device_id) WHERE remove_time IS NULL;
CREATE INDEX device_placements_by_point ON device_placements (region_code, point_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON providers, circuits, devices, device_placements TO inventory;

-- migrate:down
