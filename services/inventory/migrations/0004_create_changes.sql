-- Why: nothing to do any more. It created the history, which every service has now from the chassis
-- (`libs/common/src/common/postgres/migrations/`); databases that ran it are known by its number.
-- Runs beside the previous release because it changes nothing.

-- migrate:up

-- migrate:down
