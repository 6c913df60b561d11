"""The statements of an import: many points at once."""

from collections import Counter
from collections.abc import Sequence

from common.postgres.bulk import insert_rows
from common.postgres.database import Connection, Row
from common.postgres.history import RECORD_COLUMNS
from smartcity.inventory.v1.point_pb2 import Point

from inventory.domain.places import Places
from inventory.storage import points, regions

WAIT = """
SELECT pg_advisory_xact_lock(hashtextextended('import of points into ' || $1, 0))
"""


PLAN_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan"


async def plan_anew(connection: Connection) -> None:
    """Plan each statement of the transaction anew.

    A plan made when the table was small would read all of it, again and again, while it grows.
    """
    await connection.execute(PLAN_ANEW)


async def wait_for_others(connection: Connection, region: str) -> None:
    """Hold the region's imports until the transaction's end."""
    await connection.execute(WAIT, region)


async def read_places(connection: Connection, region: str) -> Places:
    """Return the villages and districts that a row may name."""
    villages = await regions.village_names(connection, region)
    districts = await regions.district_names(connection, region)
    return Places(
        region=region,
        districts_of_villages={v["village_code"]: v["district_code"] for v in villages},
        districts=frozenset(d["district_code"] for d in districts),
        village_names=_codes_by_name(villages, "village_code"),
        district_names=_codes_by_name(districts, "district_code"),
    )


def _codes_by_name(rows: Sequence[Row], code: str) -> dict[str, str]:
    named = [
        (name.lower(), row[code]) for row in rows for name in {row["display_name"], *row["aliases"]}
    ]
    bearers = Counter(name for name, _ in named)
    return {name: found for name, found in named if bearers[name] == 1}


STORED = f"""
SELECT {points.COLUMNS}
  FROM points
 WHERE region_code = $1 AND point_id = ANY ($2)
"""


async def read_stored(
    connection: Connection, region: str, codes: Sequence[str], *, lock: bool
) -> dict[str, Point]:
    """Return what is stored under the codes, locked until the transaction's end when asked."""
    order = " ORDER BY point_id FOR UPDATE" if lock else ""
    rows = await connection.fetch(STORED + order, region, codes)
    return {row["point_id"]: points.from_row(row) for row in rows}


FOREIGN = """
SELECT codes_elsewhere AS point_id
  FROM codes_elsewhere($1, $2)
"""


async def read_foreign(connection: Connection, region: str, codes: Sequence[str]) -> set[str]:
    """Return the codes that are used in another region."""
    rows = await connection.fetch(FOREIGN, region, codes)
    return {row["point_id"] for row in rows}


async def write(
    connection: Connection,
    created: Sequence[Point],
    updated: Sequence[Point],
    change_rows: Sequence[tuple[object, ...]],
) -> None:
    """Write new and changed points and their history."""
    columns = [name.strip() for name in points.WRITTEN.split(",")]
    await insert_rows(connection, "points", columns, map(points.to_row, created))
    if updated:
        await connection.executemany(points.UPDATE, [points.to_row(point) for point in updated])
    await insert_rows(connection, "changes", RECORD_COLUMNS, change_rows)
