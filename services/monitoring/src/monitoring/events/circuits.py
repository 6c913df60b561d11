"""Whose lines a point has, as the inventory's events tell it."""

from common.events.consumer import Interest
from common.events.event import Event, type_of
from common.postgres.database import Connection
from smartcity.inventory.v1.events_pb2 import CircuitChanged

from monitoring.storage import circuits

INTEREST = Interest("monitoring-circuits", "INVENTORY", ("smartcity.*.inventory.circuit.>",))
TYPE = type_of(CircuitChanged.DESCRIPTOR)


async def keep_circuit(connection: Connection, event: Event) -> None:
    """Keep the circuit that an event carries as it is after it."""
    if event.type != TYPE:
        return  # a kind of event that this release does not know yet
    told = CircuitChanged.FromString(event.body)
    change = circuits.forget if told.deleted else circuits.store
    await change(connection, told.circuit, event.sequence)
