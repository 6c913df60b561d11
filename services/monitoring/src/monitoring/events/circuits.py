"""The inventory's circuits, whose monitored addresses are probed."""

from collections.abc import Callable
from datetime import datetime

from common.events.consumer import Handle, Interest
from common.events.event import Event
from common.postgres.database import Connection
from smartcity.inventory.v1.events_pb2 import CircuitChanged
from smartcity.monitoring.v1.check_pb2 import Check

from monitoring.operations.derive_check import derive_check

INTEREST = Interest("monitoring-circuits", "INVENTORY", ("smartcity.*.inventory.circuit.>",))
CHANGED = "smartcity.inventory.circuit.changed.v1"


def follow_circuits(default: Check, clock: Callable[[], datetime]) -> Handle:
    """Return the handler that derives checks, which are as `default` when they are new."""

    async def follow(connection: Connection, event: Event) -> None:
        if event.type == CHANGED:  # a later release of the inventory may tell more
            change = CircuitChanged.FromString(event.body)
            await derive_check(connection, change, default, clock().date())

    return follow
