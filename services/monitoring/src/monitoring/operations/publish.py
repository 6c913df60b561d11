"""What others are told of a change to a resource of monitoring's."""

from collections.abc import Sequence

from common.events.event import Event, event_of
from common.postgres.history import History
from common.postgres.mutations import Mutations
from google.protobuf.message import Message
from smartcity.monitoring.v1 import events_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident


def event_about(
    action: str, before: Message | None, after: Message | None, fields: Sequence[str]
) -> Event | None:
    """Return the event that tells a change, None where nobody is told."""
    now = after or before
    if not isinstance(now, Incident):
        return None
    kinds = {"open": events_pb2.IncidentOpened, "resolve": events_pb2.IncidentResolved}
    kind = kinds.get(action, events_pb2.IncidentUpdated)
    return event_of(kind(incident=now, changed_fields=fields), now.name)


HISTORY = History()
MUTATIONS = Mutations(HISTORY, event_about)
