-- Why: what the consumers of the tests do. No constraint, so that a second effect would be seen.

-- migrate:up
CREATE TABLE effects (
    effect_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource    text NOT NULL,
    sequence    bigint NOT NULL,
    event_id    text NOT NULL,
    late        boolean NOT NULL DEFAULT false
);
GRANT SELECT, INSERT ON effects TO inventory;

-- migrate:down
