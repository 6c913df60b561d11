"""What the operations stand on; `__main__` makes it, tests make their own."""

from collections.abc import Callable
from dataclasses import dataclass, field

from common.postgres.database import Database
from common.sealing import Keyring

from inventory.operations.turns import Turns
from inventory.storage.boundaries import BoundaryCache
from inventory.storage.points import KnownPoints


@dataclass(frozen=True, slots=True)
class Dependencies:
    """The database, the polygons, the keys of personal data and the source of ids."""

    database: Database
    boundaries: BoundaryCache
    keyring: Keyring
    new_id: Callable[[], str]
    """A UUIDv7 for a resource whose creator chose none."""
    turns: Turns = field(default_factory=Turns)
    known_points: KnownPoints = field(default_factory=KnownPoints)
