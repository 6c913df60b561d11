"""Turning maintenance windows on and off: who is covered when, and who is told.

The points of an occurrence are written down some minutes ahead, so that whoever reads a status sees
its begin and its end at the very second, whatever this loop does then. What the loop adds is told
by the transaction that notes it as told: a status event and a look of the incident engine for each
point, exactly once, however many replicas there are and wherever one is killed.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from common.events.event import Event, event_of
from common.events.outbox import append
from common.postgres.database import Connection
from common.telemetry.logs import logger
from smartcity.monitoring.v1.events_pb2 import StatusChanged
from smartcity.monitoring.v1.status_pb2 import MAINTENANCE, Status

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.run_writer import AGAIN_S, SURVIVED
from monitoring.operations.write_measurements import lock_writers
from monitoring.storage import incident_queue, statuses
from monitoring.storage import maintenance_occurrences as occurrences
from monitoring.storage import maintenance_spans as spans
from monitoring.storage.maintenance_occurrences import CHANNEL, OccurrenceKey
from monitoring.storage.measurements import PointKey

LEAD = timedelta(minutes=5)
"""How far ahead points are written down."""
LOOK_EVERY_S = 10.0
"""How long a point that comes into a covered district may wait."""
LEAST_S = 0.2
FIELDS_OF_TURN = ("maintenanceWindow", "reason", "since", "state")
FIELDS_OF_HANDOVER = ("maintenanceWindow", "reason", "since")


async def run_maintenance(needs: Dependencies) -> None:
    """Turn windows when it is time, and when one was decided about, until cancelled."""
    decided = asyncio.Event()
    async with needs.database.listening(CHANNEL, decided):
        while True:
            decided.clear()
            wait_s = await _turned(needs)
            with suppress(TimeoutError):
                await asyncio.wait_for(decided.wait(), wait_s)


async def turn_windows(needs: Dependencies) -> int:
    """Turn what is due; return how many points began or ceased to be covered by a window."""
    now = needs.clock()
    async with needs.database.transaction() as connection:
        handed = await occurrences.at_hand(connection, now + LEAD)
        if not handed:
            return 0
        await spans.spread(connection, handed, now)
        keys = await spans.due(connection, handed, now)
        if keys:
            await _tell(connection, handed, keys, now)
        await occurrences.mark_passed(connection, handed, now)
    return len(keys)


async def _turned(needs: Dependencies) -> float:
    """Turn what is due; return how many seconds there are until something is again."""
    try:
        await turn_windows(needs)
        async with needs.database.read() as connection:
            boundary = await occurrences.next_boundary(connection, needs.clock())
    except SURVIVED as error:
        logger().warning("maintenance windows not turned", error=repr(error))
        return AGAIN_S
    if boundary is None:
        return LOOK_EVERY_S
    ahead_s = (boundary - needs.clock()).total_seconds()
    return min(max(ahead_s, LEAST_S), LOOK_EVERY_S)


async def _tell(
    connection: Connection,
    handed: Sequence[OccurrenceKey],
    keys: Collection[PointKey],
    now: datetime,
) -> None:
    """Tell which points are under another window than was told, and have the engine look.

    Writers wait: a status that they change meanwhile would be told as it was before.
    """
    await lock_writers(connection, keys)
    before = await spans.told(connection, keys)
    await spans.mark_told(connection, handed, now)
    after = await spans.told(connection, keys)
    changed = [key for key in keys if before.get(key) != after.get(key)]
    shown = await statuses.read_some(connection, changed, now, in_service=True)
    turned = [_event(shown[key], covered_before=key in before) for key in changed if key in shown]
    await append(connection, turned)
    await incident_queue.append(connection, keys)


def _event(status: Status, *, covered_before: bool) -> Event:
    previous = MAINTENANCE if covered_before else status.measured_state
    handover = previous == status.state
    body = StatusChanged(
        status=status,
        previous_state=previous,
        changed_fields=FIELDS_OF_HANDOVER if handover else FIELDS_OF_TURN,
    )
    return event_of(body, status.name)
