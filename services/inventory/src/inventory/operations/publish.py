"""What others are told of a change to a resource of the inventory."""

from collections.abc import Sequence

from common.events.event import Event, event_of
from common.postgres.history import History
from common.postgres.mutations import Mutations
from google.protobuf.message import Message
from smartcity.inventory.v1 import events_pb2
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.device_pb2 import Device
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.provider_pb2 import Provider
from smartcity.inventory.v1.region_pb2 import District

HISTORY = History(personal=("contact",))
OF_POINTS = {
    "create": events_pb2.PointCreated,
    "import": events_pb2.PointUpdated,
    "update": events_pb2.PointUpdated,
    "delete": events_pb2.PointDeleted,
    "activate": events_pb2.PointActivated,
    "suspend": events_pb2.PointSuspended,
    "resume": events_pb2.PointResumed,
    "retire": events_pb2.PointRetired,
}
MOVES = {"install", "remove", "retire"}


def event_about(
    action: str, before: Message | None, after: Message | None, fields: Sequence[str]
) -> Event | None:
    """Return the event that tells a change, None where nobody is told."""
    now = after or before
    body: Message
    if isinstance(now, Point):
        kind = OF_POINTS["create" if before is None else action]
        body = kind(point=without_contact(now), changed_fields=fields)
    elif isinstance(now, Circuit):
        body = events_pb2.CircuitChanged(circuit=now, changed_fields=fields, deleted=after is None)
    elif isinstance(now, District):
        body = events_pb2.DistrictChanged(district=now, changed_fields=fields)
    elif isinstance(now, Provider):
        known = Provider(name=now.name, display_name=now.display_name)
        gone = after is None
        body = events_pb2.ProviderChanged(provider=known, changed_fields=fields, deleted=gone)
    elif isinstance(now, Device) and action in MOVES:
        body = events_pb2.DeviceMoved(device=now, changed_fields=fields)
    else:
        return None
    return event_of(body, now.name)


def without_contact(point: Point) -> Point:
    """Return a copy without personal data, which no event carries."""
    copy = Point()
    copy.CopyFrom(point)
    copy.ClearField("contact")
    return copy


MUTATIONS = Mutations(HISTORY, event_about)
