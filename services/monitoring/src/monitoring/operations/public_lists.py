"""What strangers are told, kept for seconds, at a cost that no crowd can raise.

Nobody who asks is known, so the database is asked once in a while for a region, whoever asks how
often.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.postgres.database import Database

from monitoring.storage import public_statuses
from monitoring.storage.public_statuses import PublicPoint

FRESH = timedelta(seconds=5)
MOST_REGIONS = 100


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a region, and since when; points in the order of their keys."""

    points: Sequence[PublicPoint]
    read_time: datetime


@dataclass(slots=True)
class PublicLists:
    """The lists of the regions that somebody asked for lately."""

    _kept: dict[str, Kept] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def points(self, database: Database, region: str, now: datetime) -> Sequence[PublicPoint]:
        """Return a region's points as they were a few seconds ago at most."""
        if not self._is_fresh(region, now):
            async with self._turn:  # of many who ask at once, one reads
                if not self._is_fresh(region, now):
                    await self._read(database, region, now)
        return self._kept[region].points

    def _is_fresh(self, region: str, now: datetime) -> bool:
        kept = self._kept.get(region)
        return kept is not None and now - kept.read_time < FRESH

    async def _read(self, database: Database, region: str, now: datetime) -> None:
        async with database.read() as connection:
            found = await public_statuses.read(connection, region, now)
        if len(self._kept) >= MOST_REGIONS:
            self._kept.clear()
        self._kept[region] = Kept(found, now)
