"""Which points there are: the database's word, and while it is away or stuck what it said last.

So measurements are accepted for as long as the stream has room, whatever becomes of the database.
A point that was deleted meanwhile is found out when the database is back.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from common.postgres.database import Database, DatabaseAway, DatabaseCrowded

from monitoring.storage import points

AGAIN_S = 1.0
"""How long nobody asks a database again that did not answer: who does may wait for seconds."""
ALL_EVERY_S = 600.0
"""How often all points of a region are read, of which a report names only some."""


@dataclass(slots=True)
class _Region:
    point_ids: set[str]
    read_s: float


@dataclass(slots=True)
class KnownPoints:
    """The ids of the points of those regions that were reported for."""

    _regions: dict[str, _Region] = field(default_factory=dict)
    _again_s: float = 0.0

    async def among(self, database: Database, region: str, asked: Collection[str]) -> set[str]:
        """Return those of the ids that are points of the region.

        Raises:
            DatabaseAway: And one of them was not known before.
        """
        if time.monotonic() < self._again_s:
            return self._from_memory(region, asked)
        try:
            return await self._read(database, region, asked)
        except (DatabaseAway, DatabaseCrowded):
            self._again_s = time.monotonic() + AGAIN_S
            return self._from_memory(region, asked)

    def _from_memory(self, region: str, asked: Collection[str]) -> set[str]:
        there = self._regions.get(region)
        if there is None or not there.point_ids.issuperset(asked):
            raise DatabaseAway(
                f"the database cannot be reached, and not all points of regions/{region} that are "
                "reported for were known before; repeat the call"
            )
        return set(asked)

    async def _read(self, database: Database, region: str, asked: Collection[str]) -> set[str]:
        now, there = time.monotonic(), self._regions.get(region)
        async with database.read() as connection:
            if there is None or now - there.read_s > ALL_EVERY_S:
                there = _Region(await points.all_ids(connection, region), now)
                self._regions[region] = there
            found = await points.known(connection, region, asked)
        there.point_ids |= found
        there.point_ids.difference_update(set(asked) - found)
        return found
