-- Why: a line that has ended, or has not begun, is not its provider's any more or yet: statuses are not to be
-- found by it.
-- Runs beside the previous release because the columns have a default or may be NULL: what that release writes
-- is in service always, as it took it to be. So are all lines that were told before: `make tell` tells the days
-- of all.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE circuits
    ADD COLUMN start_date date,
    ADD COLUMN end_date date,
    ADD COLUMN in_service boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN circuits.start_date IS 'The first day of service in the region''s zone; NULL: not known, and taken to lie behind';
COMMENT ON COLUMN circuits.end_date IS 'The first day without service; NULL while it runs';
COMMENT ON COLUMN circuits.in_service IS 'Whether the days cover the present one: kept by a loop, so that who reads and who is told know the same';

-- migrate:down
