"""What the operations stand on; `__main__` makes it, tests make their own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from common.events.bus import Bus
from common.postgres.database import Database
from common.sealing import Keyring

from monitoring.sending.networks import Network

NO_KEYS = Keyring("", {})


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The database, the bus, the clock, how long measurements are kept, keys and networks."""

    database: Database
    bus: Bus
    clock: Callable[[], datetime] = utc_now
    kept_days: int = 35
    keyring: Keyring = NO_KEYS
    """The keys of notification targets."""
    networks: Sequence[Network] = ()
    """Private networks that notifications may go to."""

    @property
    def oldest(self) -> datetime:
        """The begin of the first day whose measurements are kept."""
        day = self.clock() - timedelta(days=self.kept_days)
        return day.replace(hour=0, minute=0, second=0, microsecond=0)
