-- Why: the second wall between regions: a query that forgets its filter sees only the caller's rows.
-- The service binds each session to its caller's regions; the role can neither bypass nor alter the
-- policies, which the owner makes with `visible(region_code)`.
-- Runs beside the previous release because no table uses the function yet.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

CREATE FUNCTION visible(region_code text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN current_setting('smartcity.regions', true) = '*'
    OR region_code = ANY (string_to_array(current_setting('smartcity.regions', true), ','));
COMMENT ON FUNCTION visible IS 'Whether the session''s caller may see rows of the region; nothing is bound: no';

-- migrate:down
