"""Keeping a point as the inventory tells it, and telling watchers of what they see of it."""

from collections.abc import Callable
from datetime import datetime

from common.events.event import Event, event_of
from common.events.outbox import append
from common.names import ids
from common.postgres.database import Connection
from google.protobuf.message import Message
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1.events_pb2 import StatusChanged, StatusRemoved
from smartcity.monitoring.v1.status_pb2 import Status

from monitoring.operations.write_measurements import lock_writers
from monitoring.storage import points, statuses
from monitoring.storage.measurements import PointKey
from monitoring.storage.points import Shown

APPEARED = ("displayName", "district", "kind", "name", "point", "providers", "technology")
"""What a status has beside its state, which begins to be listed."""


async def follow_point(
    connection: Connection,
    point: Point,
    sequence: int,
    clock: Callable[[], datetime],
    *,
    deleted: bool,
) -> None:
    """Keep a point as an event told it; tell of its status what has become another thing by it.

    Points that nobody is shown, and changes that nobody sees, are kept and not told.
    """
    key = PointKey(*ids(point.name))
    change = points.forget if deleted else points.store
    before = await points.shown(connection, key)
    if not _is_seen(before, points.shown_of(point), deleted=deleted):
        await change(connection, point, sequence)
        return
    await lock_writers(connection, [key])
    now = clock()
    old = (await statuses.read_some(connection, [key], now)).get(key)
    await change(connection, point, sequence)
    after = await points.shown(connection, key)
    new = (await statuses.read_some(connection, [key], now)).get(key)
    event = _event(before, old, after, new)
    if event is not None:
        await append(connection, [event])


def _is_seen(before: Shown | None, told: Shown, *, deleted: bool) -> bool:
    listed = before is not None and before.in_service
    return listed if deleted else (listed or told.in_service) and before != told


def _event(
    before: Shown | None, old: Status | None, after: Shown | None, new: Status | None
) -> Event | None:
    """Return what is told; None when the event was an old one and changed nothing."""
    listed = before is not None and before.in_service
    body: Message
    if listed and old is not None and (after is None or not after.in_service):
        body = StatusRemoved(status=old, changed_fields=APPEARED)
        return event_of(body, old.name)
    if new is None or after is None or before == after or not after.in_service:
        return None
    fields = after.differing(before) if before is not None and listed else APPEARED
    body = StatusChanged(status=new, previous_state=new.state, changed_fields=fields)
    return event_of(body, new.name)
