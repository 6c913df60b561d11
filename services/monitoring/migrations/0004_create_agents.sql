-- Why: the agents at the sites: for which points each may report, the key by which its batches are
-- believed, and what its batches told of it. A one-time code is kept as its hash only.
-- Runs beside the previous release because that one knows nothing of these tables.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE agents (
    region_code     text NOT NULL,
    agent_id        text NOT NULL,
    display_name    text NOT NULL,
    point_ids       text[] NOT NULL CONSTRAINT agents_some_point CHECK (cardinality(point_ids) > 0),
    state           text NOT NULL CONSTRAINT agents_state CHECK (state IN ('PENDING', 'ENROLLED', 'REVOKED')),
    public_key      bytea CONSTRAINT agents_key_length CHECK (octet_length(public_key) = 32),
    code_hash       bytea CONSTRAINT agents_code_length CHECK (octet_length(code_hash) = 32),
    code_expire_time timestamptz,
    version         integer NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, agent_id),
    CONSTRAINT agents_key_when_enrolled CHECK ((state = 'ENROLLED') = (public_key IS NOT NULL)),
    CONSTRAINT agents_code_when_pending CHECK (state = 'PENDING' OR code_hash IS NULL),
    CONSTRAINT agents_code_ends CHECK ((code_hash IS NULL) = (code_expire_time IS NULL))
);

CREATE TABLE agent_contacts (
    region_code     text NOT NULL,
    agent_id        text NOT NULL,
    last_batch_time timestamptz NOT NULL,
    last_sequence   bigint NOT NULL,
    clock_skew_ms   bigint NOT NULL,
    software_version text NOT NULL,
    batch_count     bigint NOT NULL,
    accepted_count  bigint NOT NULL,
    rejected_count  bigint NOT NULL,
    PRIMARY KEY (region_code, agent_id),
    CONSTRAINT agent_contacts_agent FOREIGN KEY (region_code, agent_id) REFERENCES agents ON DELETE CASCADE
);
COMMENT ON TABLE agent_contacts IS 'Beside the agents, so that a batch changes no etag and no history';

ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON agents USING (visible(region_code));
CREATE POLICY of_regions ON agent_contacts USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE, DELETE ON agents, agent_contacts TO monitoring;

-- migrate:down
