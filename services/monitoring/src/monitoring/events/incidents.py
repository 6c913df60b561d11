"""Incidents, as monitoring's own events tell them to whoever notifies people."""

from collections.abc import Awaitable, Callable

from common.events.consumer import Interest
from common.events.event import Event, message_of
from common.postgres.database import Connection
from google.protobuf.message_factory import GetMessageClass
from smartcity.monitoring.v1 import events_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.plan_deliveries import plan_deliveries

INTEREST = Interest(
    "monitoring-notifications", "MONITORING", ("smartcity.*.monitoring.incident.>",)
)


def hearing(needs: Dependencies) -> Callable[[Connection, Event], Awaitable[None]]:
    """Return what plans the notifications that follow from an event."""

    async def hear(connection: Connection, event: Event) -> None:
        name = message_of(event.type).rpartition(".")[2]
        kind = events_pb2.DESCRIPTOR.message_types_by_name.get(name)
        if kind is None:
            return  # a kind of event that this release does not know yet
        body = GetMessageClass(kind)()
        body.ParseFromString(event.body)
        incident = body.incident  # type: ignore[attr-defined]
        await plan_deliveries(needs, connection, incident, event.sequence)

    return hear
