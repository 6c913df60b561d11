"""What people do with an incident: look after it, comment on it, classify it, end it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from common.caller import current_caller
from common.errors import EtagStale, Kind, ResourceMissing, ServiceError
from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate
from smartcity.monitoring.v1 import incident_pb2

from monitoring.domain.incident import Entry, Incident, Scope, Stage
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.follow_outages import lock
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import incident_queue, incidents
from monitoring.storage.measurements import PointKey

Change = Callable[[Incident], tuple[Incident, str, str]]
"""Returns the changed incident, the action and what the timeline says of it."""


class IncidentResolved(ServiceError):
    """The incident is over."""

    kind = Kind.WRONG_STATE
    reason = "INCIDENT_RESOLVED"


async def acknowledge_incident(
    needs: Dependencies, request: incident_pb2.AcknowledgeIncidentRequest
) -> incident_pb2.Incident:
    """Note who looks after an incident.

    Raises:
        ResourceMissing, EtagStale, IncidentResolved.
    """
    assignee = request.assignee or current_caller().subject

    def change(before: Incident) -> tuple[Incident, str, str]:
        _require_lasting(before)
        after = replace(before, stage=Stage.ACKNOWLEDGED, assignee=assignee)
        action = "ACKNOWLEDGED" if before.stage is Stage.OPEN else "ASSIGNED"
        return after, action, f"{assignee} looks after it"

    return await _change(needs, request, "acknowledge", change)


async def classify_incident(
    needs: Dependencies, request: incident_pb2.ClassifyIncidentRequest
) -> incident_pb2.Incident:
    """Note what led to an incident and who answers for it.

    Raises:
        ResourceMissing, EtagStale.
    """
    cause = incidents.CAUSES.text(request.cause)
    liability = incidents.LIABILITIES.text(request.liability)

    def change(before: Incident) -> tuple[Incident, str, str]:
        text = f"{cause}, {liability}" + (f": {request.text}" if request.text else "")
        return replace(before, cause=cause, liability=liability), "CLASSIFIED", text

    return await _change(needs, request, "classify", change)


async def resolve_incident(
    needs: Dependencies, request: incident_pb2.ResolveIncidentRequest
) -> incident_pb2.Incident:
    """End an incident by hand.

    Raises:
        ResourceMissing, EtagStale, IncidentResolved.
    """

    def change(before: Incident) -> tuple[Incident, str, str]:
        _require_lasting(before)
        end = max(needs.clock(), before.start)
        ended = before.over if before.scope is Scope.POINT else before.spanning
        return replace(ended(before.start, end), by_hand=True), "RESOLVED", request.text

    return await _change(needs, request, "resolve", change)


async def comment_incident(
    needs: Dependencies, request: incident_pb2.CommentIncidentRequest
) -> incident_pb2.IncidentEntry:
    """Add a comment to an incident's timeline.

    Raises:
        ResourceMissing.
    """

    async def act(connection: Connection) -> incident_pb2.IncidentEntry:
        incident = await _read(connection, request.name)
        return await _add(needs, connection, incident, "COMMENTED", request.text)

    region = region_of(request.name)
    return await mutate(needs.database, request, region, incident_pb2.IncidentEntry, act)


async def _change(
    needs: Dependencies, request: Any, action: str, change: Change
) -> incident_pb2.Incident:
    region = region_of(request.name)

    async def act(connection: Connection) -> incident_pb2.Incident:
        await lock(connection, region, needs.clock())
        before = await _read(connection, request.name)
        old = incidents.message_of(before)
        if request.etag and request.etag != old.etag:
            raise EtagStale(request.name, request.etag, old.etag)
        after, entry, text = change(before)
        after = replace(after, version=before.version + 1, update_time=needs.clock())
        await incidents.store(connection, [after])
        if after.point_id:  # the incident that it is a part of may be over with it
            await incident_queue.append(connection, [PointKey(region, after.point_id)])
        await _add(needs, connection, after, entry, text)
        new = incidents.message_of(after)
        await MUTATIONS.publish(connection, request, action, before=old, after=new)
        return new

    return await mutate(needs.database, request, region, incident_pb2.Incident, act)


async def _read(connection: Connection, name: str) -> Incident:
    incident = await incidents.read(connection, name)
    if incident is None:
        raise ResourceMissing(name)
    return incident


async def _add(
    needs: Dependencies, connection: Connection, incident: Incident, action: str, text: str
) -> incident_pb2.IncidentEntry:
    entry = Entry(incident.incident_id, action, text)
    when = needs.clock(), current_caller().subject
    (stored,) = await incidents.store_entries(connection, incident.region, when, [entry])
    return stored


def _require_lasting(incident: Incident) -> None:
    if not incident.lasts:
        name = f"regions/{incident.region}/incidents/{incident.incident_id}"
        raise IncidentResolved(f"{name} is RESOLVED", resource=name)
