-- Why: people attach files to incidents: a photo, a letter. They are few and at most 10 MiB, so they lie in
-- the database, where the region's policy and the backup are; out of line and not compressed, since
-- photos are.
-- Runs beside the previous release because it only adds a table and a column that may be NULL.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE TABLE incident_attachments (
    region_code     text NOT NULL,
    incident_id     text NOT NULL,
    attachment_id   uuid NOT NULL,
    file_name       text NOT NULL,
    media_type      text NOT NULL,
    size_bytes      integer NOT NULL CONSTRAINT incident_attachments_size CHECK (size_bytes BETWEEN 1 AND 10485760),
    sha256          bytea NOT NULL CONSTRAINT incident_attachments_digest CHECK (octet_length(sha256) = 32),
    caption         text NOT NULL,
    creator         text NOT NULL,
    create_time     timestamptz NOT NULL,
    content         bytea NOT NULL,
    PRIMARY KEY (region_code, incident_id, attachment_id),
    CONSTRAINT incident_attachments_of FOREIGN KEY (region_code, incident_id) REFERENCES incidents,
    CONSTRAINT incident_attachments_whole CHECK (octet_length(content) = size_bytes)
);
ALTER TABLE incident_attachments ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON COLUMN incident_attachments.media_type IS 'What the content is, found out from the content';

ALTER TABLE incident_entries ADD COLUMN attachment_id uuid;
COMMENT ON COLUMN incident_entries.attachment_id IS 'The file that the entry is about; it may be removed by now';

ALTER TABLE incident_attachments ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_regions ON incident_attachments USING (visible(region_code));
GRANT SELECT, INSERT, DELETE ON incident_attachments TO monitoring;

-- migrate:down
