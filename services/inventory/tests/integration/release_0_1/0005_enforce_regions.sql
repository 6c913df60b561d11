-- Why: row-level security, the second wall between regions.
-- Runs beside the previous release: that one binds no session to regions and would see no rows, so it
-- is stopped first. There is none yet.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

ALTER TABLE points ENABLE ROW LEVEL SECURITY;
ALTER TABLE providers ENABLE ROW LEVEL SECURITY;
ALTER TABLE circuits ENABLE ROW LEVEL SECURITY;
ALTER TABLE devices ENABLE ROW LEVEL SECURITY;
ALTER TABLE device_placements ENABLE ROW LEVEL SECURITY;
ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE answered_requests ENABLE ROW LEVEL SECURITY;

CREATE POLICY of_regions ON points USING (visible(region_code));
CREATE POLICY of_regions ON providers USING (visible(region_code));
CREATE POLICY of_regions ON circuits USING (visible(region_code));
CREATE POLICY of_regions ON devices USING (visible(region_code));
CREATE POLICY of_regions ON device_placements USING (visible(region_code));
CREATE POLICY of_regions ON changes USING (visible(region_code));
CREATE POLICY of_regions ON answered_requests USING (visible(region_code));

CREATE FUNCTION codes_elsewhere(here text, codes text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
BEGIN ATOMIC
SELECT point_id
  FROM points
 WHERE region_code <> here AND point_id = ANY (codes);
END;
COMMENT ON FUNCTION codes_elsewhere IS 'Which codes other regions use, and nothing else of them: a code is used once';
REVOKE EXECUTE ON FUNCTION codes_elsewhere FROM PUBLIC;
GRANT EXECUTE ON FUNCTION codes_elsewhere TO inventory;

-- migrate:down
