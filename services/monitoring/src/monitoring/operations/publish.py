"""What others are told of a change to a resource of monitoring's."""

from collections.abc import Sequence

from common.events.event import Event, event_of
from common.postgres.history import History
from common.postgres.mutations import Mutations
from google.protobuf.message import Message
from smartcity.monitoring.v1 import events_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

OF_INCIDENTS = {"open": events_pb2.IncidentOpened, "resolve": events_pb2.IncidentResolved}
OF_WINDOWS = {
    "approve": events_pb2.MaintenanceApproved,
    "cancel": events_pb2.MaintenanceCancelled,
}


def event_about(
    action: str, before: Message | None, after: Message | None, fields: Sequence[str]
) -> Event | None:
    """Return the event that tells a change, None where nobody is told."""
    now = after or before
    body: Message
    if isinstance(now, Incident):
        kind = OF_INCIDENTS.get(action, events_pb2.IncidentUpdated)
        body = kind(incident=now, changed_fields=fields)
    elif isinstance(now, MaintenanceWindow) and action in OF_WINDOWS:
        body = OF_WINDOWS[action](maintenance_window=now, changed_fields=fields)
    else:
        return None
    return event_of(body, now.name)


HISTORY = History(personal=("targets",))
"""No history holds the addresses of a notification route."""
MUTATIONS = Mutations(HISTORY, event_about)
