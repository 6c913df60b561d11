"""What others are told of a change to a resource that people change."""

from collections.abc import Sequence

from common.events.event import Event, event_of
from common.postgres.history import History
from common.postgres.mutations import Mutations
from google.protobuf.message import Message
from smartcity.monitoring.v1.events_pb2 import MaintenanceApproved, MaintenanceCancelled
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

OF_WINDOWS = {"approve": MaintenanceApproved, "cancel": MaintenanceCancelled}


def event_about(
    action: str, _: Message | None, after: Message | None, fields: Sequence[str]
) -> Event | None:
    """Return the event that tells a change, None where nobody is told."""
    if isinstance(after, MaintenanceWindow) and action in OF_WINDOWS:
        body: Message = OF_WINDOWS[action](maintenance_window=after, changed_fields=fields)
        return event_of(body, after.name)
    return None


MUTATIONS = Mutations(History(), event_about)
