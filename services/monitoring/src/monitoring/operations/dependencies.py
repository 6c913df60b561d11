"""What the operations stand on; `__main__` makes it, tests make their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import uuid_utils
from common.events.bus import Bus
from common.postgres.database import Database

from monitoring.operations.backlog_turns import BacklogTurns


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def new_id() -> str:
    """Return a UUIDv7."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The database, the bus, the clock, how long measurements are kept, the source of ids."""

    database: Database
    bus: Bus
    clock: Callable[[], datetime] = utc_now
    kept_days: int = 35
    new_id: Callable[[], str] = new_id
    """An id for a resource whose creator chose none."""
    backlog_turns: BacklogTurns = field(default_factory=BacklogTurns)

    @property
    def oldest(self) -> datetime:
        """The begin of the first day whose measurements are kept."""
        day = self.clock() - timedelta(days=self.kept_days)
        return day.replace(hour=0, minute=0, second=0, microsecond=0)
