"""What the operations stand on; `__main__` makes it, tests make their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import uuid_utils
from common.events.bus import Bus
from common.postgres.database import Database
from common.sealing import Keyring

from monitoring.operations.backlog_turns import BacklogTurns
from monitoring.operations.known_points import KnownPoints
from monitoring.operations.public_lists import PublicLists
from monitoring.sending.networks import Network

NO_KEYS = Keyring("", {})


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def uuid7() -> str:
    """Return a new id."""
    return str(uuid_utils.uuid7())


@dataclass(frozen=True, slots=True)
class Dependencies:
    """What is there: database, bus, clock; how long things are kept; ids, keys, networks."""

    database: Database
    bus: Bus
    clock: Callable[[], datetime] = utc_now
    kept_days: int = 35
    hourly_kept_days: int = 730
    new_id: Callable[[], str] = uuid7
    """A UUIDv7 for a resource whose creator chose none."""
    keyring: Keyring = NO_KEYS
    """The keys of notification targets."""
    networks: Sequence[Network] = ()
    """Private networks that notifications may go to."""
    backlog_turns: BacklogTurns = field(default_factory=BacklogTurns)
    public_lists: PublicLists = field(default_factory=PublicLists)
    known_points: KnownPoints = field(default_factory=KnownPoints)

    @property
    def oldest(self) -> datetime:
        """The begin of the first day whose measurements are kept."""
        return self._days_ago(self.kept_days)

    @property
    def oldest_hourly(self) -> datetime:
        """The begin of the first day whose hourly roll-ups are kept."""
        return self._days_ago(max(self.hourly_kept_days, self.kept_days))

    def _days_ago(self, days: int) -> datetime:
        day = self.clock() - timedelta(days=days)
        return day.replace(hour=0, minute=0, second=0, microsecond=0)
