-- Why: people are told of incidents: routes say who and when, deliveries what was planned and what became
-- of it, notifications are the messages that deliveries were put together in. Addresses are sealed.
-- Runs beside the previous release because it only adds tables.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE notification_routes (
    region_code     text NOT NULL,
    route_id        text NOT NULL,
    display_name    text NOT NULL,
    paused          boolean NOT NULL,
    scopes          text[] NOT NULL,
    least_priority  text CONSTRAINT notification_routes_priority CHECK (least_priority IN ('CRITICAL', 'HIGH', 'MEDIUM', 'LOW')),
    district_codes  text[] NOT NULL,
    provider_ids    text[] NOT NULL,
    language_code   text NOT NULL CONSTRAINT notification_routes_language CHECK (language_code IN ('id', 'en')),
    quiet_start     time,
    quiet_end       time,
    quiet_urgent    text CONSTRAINT notification_routes_urgent CHECK (quiet_urgent IN ('CRITICAL', 'HIGH', 'MEDIUM', 'LOW')),
    group_wait_s    integer NOT NULL,
    repeat_interval_s integer NOT NULL,
    escalate_to     text,
    escalate_after_s integer NOT NULL,
    targets_masked  jsonb NOT NULL DEFAULT '[]',
    targets_sealed  bytea,
    version         bigint NOT NULL DEFAULT 1,
    create_time     timestamptz NOT NULL DEFAULT now(),
    update_time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (region_code, route_id),
    CONSTRAINT notification_routes_escalate_to FOREIGN KEY (region_code, escalate_to) REFERENCES notification_routes,
    CONSTRAINT notification_routes_quiet CHECK (num_nulls(quiet_start, quiet_end, quiet_urgent) IN (0, 3)),
    CONSTRAINT notification_routes_escalation CHECK ((escalate_to IS NULL) = (escalate_after_s = 0))
);
CREATE INDEX notification_routes_by_escalation ON notification_routes (region_code, escalate_to) WHERE escalate_to IS NOT NULL;
COMMENT ON COLUMN notification_routes.targets_sealed IS 'Ids and addresses as JSON, sealed for the route''s name';

CREATE TABLE notification_turns (
    region_code     text NOT NULL,
    route_id        text NOT NULL,
    PRIMARY KEY (region_code, route_id)
);
COMMENT ON TABLE notification_turns IS 'Whoever locks a row puts that route''s messages together, alone; rows stay when routes go';

CREATE TABLE heard_incidents (
    region_code     text NOT NULL,
    incident_id     text NOT NULL,
    sequence        bigint NOT NULL,
    incident        bytea NOT NULL,
    hear_time       timestamptz NOT NULL,
    PRIMARY KEY (region_code, incident_id)
);
CREATE INDEX heard_incidents_by_time ON heard_incidents (hear_time);
COMMENT ON TABLE heard_incidents IS 'Each incident as its last event told it: the message Incident';

CREATE TABLE notifications (
    region_code     text NOT NULL,
    notification_id uuid NOT NULL,
    route_id        text NOT NULL,
    title           text NOT NULL,
    body            text NOT NULL,
    is_over         boolean NOT NULL,
    state           text NOT NULL DEFAULT 'WAITING' CONSTRAINT notifications_state CHECK (state IN ('WAITING', 'SENT', 'FAILED', 'SUPPRESSED')),
    due_time        timestamptz NOT NULL,
    attempt_count   integer NOT NULL DEFAULT 0,
    told_targets    text[] NOT NULL DEFAULT '{}',
    create_time     timestamptz NOT NULL,
    PRIMARY KEY (region_code, notification_id)
);
CREATE INDEX notifications_due ON notifications (due_time) WHERE state = 'WAITING';
CREATE INDEX notifications_by_time ON notifications (create_time);
COMMENT ON COLUMN notifications.is_over IS 'It tells of nothing but ends';

CREATE TABLE deliveries (
    region_code     text NOT NULL,
    delivery_id     uuid NOT NULL,
    route_id        text NOT NULL,
    incident_id     text NOT NULL,
    kind            text NOT NULL CONSTRAINT deliveries_kind CHECK (kind IN ('OPENED', 'ESCALATED', 'REPEATED', 'RESOLVED')),
    round           integer NOT NULL,
    state           text NOT NULL DEFAULT 'WAITING' CONSTRAINT deliveries_state CHECK (state IN ('WAITING', 'SENT', 'FAILED', 'SUPPRESSED')),
    due_time        timestamptz NOT NULL,
    attempt_count   integer NOT NULL DEFAULT 0,
    detail          text NOT NULL DEFAULT '',
    notification_id uuid,
    create_time     timestamptz NOT NULL,
    sent_time       timestamptz,
    PRIMARY KEY (region_code, delivery_id),
    CONSTRAINT deliveries_once UNIQUE (region_code, route_id, incident_id, kind, round),
    CONSTRAINT deliveries_sent CHECK ((state = 'SENT') = (sent_time IS NOT NULL))
);
CREATE INDEX deliveries_due ON deliveries (region_code, route_id, due_time) WHERE state = 'WAITING' AND notification_id IS NULL;
CREATE INDEX deliveries_by_incident ON deliveries (region_code, incident_id);
CREATE INDEX deliveries_by_notification ON deliveries (region_code, notification_id) WHERE notification_id IS NOT NULL;
CREATE INDEX deliveries_by_time ON deliveries (create_time);
COMMENT ON COLUMN deliveries.round IS 'How often the incident had begun again; for REPEATED a running number';

ALTER TABLE notification_routes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notification_turns ENABLE ROW LEVEL SECURITY;
ALTER TABLE heard_incidents ENABLE ROW LEVEL SECURITY;
ALTER TABLE notifications ENABLE ROW LEVEL SECURITY;
ALTER TABLE deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON notification_routes USING (visible(region_code));
CREATE POLICY of_regions ON notification_turns USING (visible(region_code));
CREATE POLICY of_regions ON heard_incidents USING (visible(region_code));
CREATE POLICY of_regions ON notifications USING (visible(region_code));
CREATE POLICY of_regions ON deliveries USING (visible(region_code));

GRANT SELECT, INSERT, UPDATE, DELETE ON notification_routes, heard_incidents, notifications, deliveries TO monitoring;
GRANT SELECT, INSERT, UPDATE ON notification_turns TO monitoring;

-- migrate:down
