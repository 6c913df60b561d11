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
EMPTY_FRESH = timedelta(minutes=1)
"""Of a code that no point has: whoever tries all 10,000 codes costs one question each a minute."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a region, and since when; points in the order of their keys."""

    points: Sequence[PublicPoint]
    read_time: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether it may be told still; what a clock set back left is read again."""
        return timedelta(0) <= now - self.read_time < (FRESH if self.points else EMPTY_FRESH)


@dataclass(slots=True)
class PublicLists:
    """The lists of the regions that anybody asked for; a region's code has but four digits."""

    _kept: dict[str, Kept] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turn_of_empty: asyncio.Lock = field(default_factory=asyncio.Lock)
    """That of codes without points: a region does not wait behind all that are made up."""

    async def points(self, database: Database, region: str, now: datetime) -> Sequence[PublicPoint]:
        """Return a region's points as they were a few seconds ago at most."""
        kept = self._fresh(region, now)
        if kept is None:
            known = self._kept.get(region)
            async with self._turn if known and known.points else self._turn_of_empty:
                # Of many who ask at once, one reads.
                kept = self._fresh(region, now) or await self._read(database, region, now)
        return kept.points

    def _fresh(self, region: str, now: datetime) -> Kept | None:
        kept = self._kept.get(region)
        return kept if kept is not None and kept.is_fresh(now) else None

    async def _read(self, database: Database, region: str, now: datetime) -> Kept:
        async with database.read() as connection:
            found = await public_statuses.read(connection, region, now)
        self._kept[region] = Kept(found, now)
        return self._kept[region]
