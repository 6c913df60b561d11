"""Writing reference data, under the owner's role: the service itself only reads it."""

from collections.abc import Sequence

import orjson
from common.postgres.database import Connection

from inventory.domain.dataset import Dataset, Division

UPSERT_REGION = """
INSERT INTO regions (region_code, display_name, aliases, figures, positions)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (region_code) DO UPDATE
   SET display_name = $2, aliases = $3, figures = $4, positions = $5
"""

UPSERT_DISTRICT = """
INSERT INTO districts (district_code, region_code, display_name, aliases, figures, positions)
VALUES ($1, left($1, 5), $2, $3, $4, $5)
ON CONFLICT (district_code) DO UPDATE
   SET display_name = $2, aliases = $3, figures = $4, positions = $5
"""

UPSERT_VILLAGE = """
INSERT INTO villages (village_code, region_code, district_code, display_name, aliases, figures,
       positions, kind, postal_code)
VALUES ($1, left($1, 5), left($1, 8), $2, $3, $4, $5, $6, $7)
ON CONFLICT (village_code) DO UPDATE
   SET display_name = $2, aliases = $3, figures = $4, positions = $5, kind = $6, postal_code = $7
"""

UPSERT_BOUNDARY = """
INSERT INTO boundaries (code, region_code, geometry, source)
VALUES ($1, left($1, 5), $2, $3)
ON CONFLICT (code) DO UPDATE
   SET geometry = $2, source = $3
"""

SET_NOTICE = """
UPDATE regions
   SET notice = $2
 WHERE region_code = $1
"""

NOTE_LOAD = """
INSERT INTO loads (region_code)
SELECT region_code
  FROM regions
ON CONFLICT (region_code) DO UPDATE
   SET load_time = now()
"""


DISTRICT_NAMES = """
SELECT district_code, display_name
  FROM districts
"""


async def district_names(connection: Connection) -> dict[str, str]:
    """Return the names of all districts of all regions, by their codes."""
    rows = await connection.fetch(DISTRICT_NAMES)
    return {row["district_code"]: row["display_name"] for row in rows}


async def write(connection: Connection, dataset: Dataset) -> None:
    """Write everything of the data set but its points."""
    await connection.executemany(UPSERT_REGION, _of_level(dataset.divisions, "region"))
    await connection.executemany(UPSERT_DISTRICT, _of_level(dataset.divisions, "district"))
    await connection.executemany(UPSERT_VILLAGE, _of_level(dataset.divisions, "village"))
    polygons = [(code, *polygon) for code, polygon in dataset.polygons.items()]
    await connection.executemany(UPSERT_BOUNDARY, polygons)
    await connection.execute(SET_NOTICE, dataset.region, dataset.notice)
    await connection.execute(NOTE_LOAD)


def _of_level(divisions: Sequence[Division], level: str) -> list[tuple[object, ...]]:
    return [_row(division) for division in divisions if division.level == level]


def _row(division: Division) -> tuple[object, ...]:
    row = (
        division.code,
        division.display_name,
        division.aliases,
        orjson.dumps(division.figures).decode(),
        orjson.dumps(division.positions).decode(),
    )
    more = (division.kind, division.postal_code) if division.level == "village" else ()
    return row + more


POINTS_LOADED = """
SELECT points_loaded
  FROM loads
 WHERE region_code = $1
"""

NOTE_POINTS = """
UPDATE loads
   SET points_loaded = true
 WHERE region_code = $1
"""


async def points_were_loaded(connection: Connection, region: str) -> bool:
    """Tell whether a data set's points ever came into the region."""
    return bool(await connection.fetchval(POINTS_LOADED, region))


async def note_points_loaded(connection: Connection, region: str) -> None:
    """Remember that a data set's points came."""
    await connection.execute(NOTE_POINTS, region)
