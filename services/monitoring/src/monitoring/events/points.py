"""The inventory's points, as its events tell them."""

from common.events.consumer import Interest
from common.events.event import Event, message_of
from common.postgres.database import Connection
from google.protobuf.message_factory import GetMessageClass
from smartcity.inventory.v1 import events_pb2

from monitoring.operations.derive_check import forget_checks
from monitoring.storage import points

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
    await change(connection, body.point, event.sequence)  # type: ignore[attr-defined]
    if name == "PointDeleted":
        await forget_checks(connection, event.resource)
