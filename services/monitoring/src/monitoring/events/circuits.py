"""The inventory's circuits: whose lines a point has, and where they are probed."""

from collections.abc import Callable
from datetime import datetime

from common.events.consumer import Handle, Interest
from common.events.event import Event, type_of
from common.names import region_of
from common.postgres.database import Connection
from common.zones import day_in
from smartcity.inventory.v1.events_pb2 import CircuitChanged
from smartcity.monitoring.v1.check_pb2 import Check

from monitoring.operations.derive_check import derive_check
from monitoring.operations.follow_circuit import follow_circuit

INTEREST = Interest(
    "monitoring-circuits", "INVENTORY", ("smartcity.*.inventory.circuit.>",), newest_only=True
)
CHANGED = type_of(CircuitChanged.DESCRIPTOR)


def follow_circuits(default: Check, clock: Callable[[], datetime]) -> Handle:
    """Return the handler that keeps circuits, and derives checks that are new as `default`."""

    async def follow(connection: Connection, event: Event) -> None:
        if event.type != CHANGED:
            return  # a kind of event that this release does not know yet
        told = CircuitChanged.FromString(event.body)
        now = clock()
        await follow_circuit(connection, told, event.sequence, now)
        today = day_in(region_of(told.circuit.name), now)
        await derive_check(connection, told, default, today)

    return follow
