"""Telling districts, providers, points and circuits as they are now, for who begins to listen.

The streams keep events for some weeks; who comes later knows nothing of what did not change since.
Nothing changes by it: each event says that no field did, and that the others have it already.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from common.events.outbox import append
from common.postgres.database import Connection, Database
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.provider_pb2 import Provider

from inventory.operations.publish import event_about
from inventory.storage import circuits, points, providers, regions
from inventory.storage.imports import wait_for_others

SLICE = 500
Progress = Callable[[int], object]
Told: TypeAlias = "Sequence[Provider] | Sequence[Point] | Sequence[Circuit]"
LockSome: TypeAlias = "Callable[[Connection, str, str, int], Awaitable[Told]]"
"""Returns so many resources of a region after a name, which nobody can change meanwhile."""
TOLD: tuple[LockSome, ...] = (providers.lock_some, points.lock_some, circuits.lock_some)


async def tell_again(database: Database, progress: Progress) -> None:
    """Tell all in slices, each in its own transaction; may be ended and run again at any time.

    A slice is locked while it is told: a change of it is told before, and then is in it, or after.
    """
    async with database.read() as connection:
        codes = await regions.in_use(connection)
    for region in codes:
        await _tell_districts(database, region)
        for lock_some in TOLD:
            await _tell_all(database, region, lock_some, progress)


async def _tell_districts(database: Database, region: str) -> None:
    async with database.transaction() as connection:
        await wait_for_others(connection, region)  # a load may be giving them other names
        some = await regions.all_districts(connection, region)
        told = (event_about("update", one, one, ()) for one in some)
        await append(connection, [event for event in told if event is not None])


async def _tell_all(
    database: Database, region: str, lock_some: LockSome, progress: Progress
) -> None:
    last = ""
    while True:
        async with database.transaction() as connection:
            # An import locks rows in the order of its file, which may be against ours.
            await wait_for_others(connection, region)
            some = await lock_some(connection, region, last, SLICE)
            told = (event_about("update", one, one, ()) for one in some)
            await append(connection, [event for event in told if event is not None])
        if not some:
            return
        last = some[-1].name
        progress(len(some))
