"""The inventory's points, as its events tell them."""

from common.events.consumer import Interest
from common.events.event import Event, message_of
from common.names import ids
from common.postgres.database import Connection
from google.protobuf.message_factory import GetMessageClass
from smartcity.inventory.v1 import events_pb2
from smartcity.inventory.v1.point_pb2 import Point

from monitoring.operations.derive_check import forget_checks
from monitoring.storage import incident_queue, points
from monitoring.storage.measurements import PointKey

INTEREST = Interest("monitoring-points", "INVENTORY", ("smartcity.*.inventory.point.>",))


async def keep_point(connection: Connection, event: Event) -> None:
    """Keep the point that an event carries as it is after it."""
    name = message_of(event.type).rpartition(".")[2]
    kind = events_pb2.DESCRIPTOR.message_types_by_name.get(name)
    if kind is None:
        return  # a kind of event that this release does not know yet
    body = GetMessageClass(kind)()
    body.ParseFromString(event.body)
    change = points.forget if name == "PointDeleted" else points.store
    point: Point = body.point  # type: ignore[attr-defined]
    await change(connection, point, event.sequence)
    await incident_queue.append(connection, [PointKey(*ids(point.name))])
    if name == "PointDeleted":
        await forget_checks(connection, event.resource)
