"""Keeping a point's lines as the inventory tells them, and telling watchers whose they are."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime

from common.events.event import Event, event_of
from common.events.outbox import append
from common.names import ids
from common.postgres.database import Connection
from common.zones import day_in
from smartcity.inventory.v1.events_pb2 import CircuitChanged
from smartcity.monitoring.v1.events_pb2 import StatusChanged
from smartcity.monitoring.v1.status_pb2 import Status

from monitoring.operations.write_measurements import lock_writers
from monitoring.storage import circuits, statuses
from monitoring.storage.measurements import PointKey


async def follow_circuit(
    connection: Connection, told: CircuitChanged, sequence: int, now: datetime
) -> None:
    """Keep a circuit as an event told it, and tell of its point's status when the providers change.

    What leaves the provider and the days of service as they are changes nothing that is shown.
    """
    circuit = told.circuit
    region, point_id, _ = ids(circuit.name)
    today = day_in(region, now)
    before = await circuits.read(connection, circuit.name, today)
    if before == circuits.line_of(circuit) and not told.deleted:
        await circuits.store(connection, circuit, sequence, today)
        return
    async with telling_providers(connection, [PointKey(region, point_id)], now):
        if told.deleted:
            await circuits.forget(connection, circuit, sequence)
        else:
            await circuits.store(connection, circuit, sequence, today)


@asynccontextmanager
async def telling_providers(
    connection: Connection, keys: Collection[PointKey], now: datetime
) -> AsyncIterator[None]:
    """Tell of those points in service whose providers are others after the block than before.

    Writers wait, as does whoever changes other lines of these points: each would tell of what it
    finds, without the other's change.
    """
    await lock_writers(connection, keys)
    before = await statuses.read_some(connection, keys, now, in_service=True)
    yield
    after = await statuses.read_some(connection, keys, now, in_service=True)
    changed = [
        status
        for key, status in after.items()
        if key in before and before[key].providers != status.providers
    ]
    await append(connection, list(map(_event, changed)))


def _event(status: Status) -> Event:
    body = StatusChanged(status=status, previous_state=status.state, changed_fields=("providers",))
    return event_of(body, status.name)
