-- Why: a window of a provider covered points whose line of it had ended or had not begun: their outages were
-- silenced for work that was none of theirs.
-- Runs beside the previous release because the function is called as before and its answer has the same form: that
-- release covers the points of lines in service by it, too.

-- migrate:up
SET lock_timeout = '4s';
SET statement_timeout = '5s';

-- As before, but for the line with in_service.
CREATE OR REPLACE FUNCTION maintenance_coverage(region text, maintenance_window text) RETURNS TABLE (point_id text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT points.point_id
      FROM maintenance_windows
     CROSS JOIN unnest(point_ids) AS named (point_id)
      JOIN points ON points.region_code = region AND points.point_id = named.point_id
     WHERE maintenance_windows.region_code = region AND window_id = maintenance_window
     UNION
    SELECT points.point_id
      FROM maintenance_windows
     CROSS JOIN unnest(district_codes) AS named (district_code)
      JOIN points ON points.region_code = region AND points.district_code = named.district_code
     WHERE maintenance_windows.region_code = region AND window_id = maintenance_window
     UNION
    SELECT points.point_id
      FROM maintenance_windows
     CROSS JOIN unnest(provider_ids) AS named (provider_id)
      JOIN circuits ON circuits.region_code = region AND circuits.provider_id = named.provider_id
                   AND circuits.in_service
      JOIN points ON points.region_code = region AND points.point_id = circuits.point_id
     WHERE maintenance_windows.region_code = region AND window_id = maintenance_window;
END;

-- migrate:down
