"""The inventory's points, as its events tell them."""

from collections.abc import Callable
from datetime import datetime

from common.events.consumer import Interest
from common.events.event import Event, message_of
from common.names import ids
from common.postgres.database import Connection
from google.protobuf.message_factory import GetMessageClass
from smartcity.inventory.v1 import events_pb2
from smartcity.inventory.v1.point_pb2 import Point

from monitoring.operations.dependencies import utc_now
from monitoring.operations.derive_check import forget_checks
from monitoring.operations.follow_point import follow_point
from monitoring.storage import incident_queue
from monitoring.storage.measurements import PointKey

INTEREST = Interest(
    "monitoring-points", "INVENTORY", ("smartcity.*.inventory.point.>",), newest_only=True
)


async def keep_point(
    connection: Connection, event: Event, clock: Callable[[], datetime] = utc_now
) -> None:
    """Keep the point that an event carries as it is after it."""
    name = message_of(event.type).rpartition(".")[2]
    kind = events_pb2.DESCRIPTOR.message_types_by_name.get(name)
    if kind is None:
        return  # a kind of event that this release does not know yet
    body = GetMessageClass(kind)()
    body.ParseFromString(event.body)
    point: Point = body.point  # type: ignore[attr-defined]
    deleted = name == "PointDeleted"
    await follow_point(connection, point, event.sequence, clock, deleted=deleted)
    await incident_queue.append(connection, [PointKey(*ids(point.name))])
    if deleted:
        await forget_checks(connection, event.resource)
