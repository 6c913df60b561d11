"""Maintenance windows as tests request them, decide about them and see them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from typing import Any

from common.caller import CALLER, Caller
from smartcity.monitoring.v1 import maintenance_window_pb2, status_pb2
from smartcity.monitoring.v1.events_pb2 import StatusChanged
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

from monitoring.domain.partitions import partition_of
from monitoring.operations.decide_maintenance import decide_maintenance
from monitoring.operations.request_maintenance import request_maintenance
from monitoring.testing import NOON, REGION, Monitoring, measured, write_measurements

State = status_pb2.State
MINUTE = timedelta(minutes=1)


@contextmanager
def caller(subject: str) -> Iterator[None]:
    """Let somebody make the calls."""
    token = CALLER.set(Caller(subject, "64.01", "64.01/operator"))
    try:
        yield
    finally:
        CALLER.reset(token)


def window(start: float, end: float, **fields: Any) -> MaintenanceWindow:
    """Return a window over P-0, minutes after noon, unless the fields say otherwise."""
    covers = fields.keys() & {"points", "districts", "providers"}
    made = MaintenanceWindow(title="Migrasi FO", reason="kabel baru", **fields)
    if not covers:
        made.points.append(f"{REGION}/points/P-0")
    made.start_time.FromDatetime(NOON + start * MINUTE)
    made.end_time.FromDatetime(NOON + end * MINUTE)
    return made


async def request(
    monitoring: Monitoring, made: MaintenanceWindow, window_id: str = "w", **fields: Any
) -> MaintenanceWindow:
    """Request a window as Siti, of the provider."""
    asked = maintenance_window_pb2.CreateMaintenanceWindowRequest(
        parent=REGION, maintenance_window_id=window_id, maintenance_window=made, **fields
    )
    with caller("siti"):
        return await request_maintenance(monitoring.needs, asked)


async def approve(
    monitoring: Monitoring, window_id: str = "w", by: str = "budi", **fields: Any
) -> MaintenanceWindow:
    """Approve a window as Budi, of the regency."""
    name = f"{REGION}/maintenanceWindows/{window_id}"
    asked = maintenance_window_pb2.ApproveMaintenanceWindowRequest(name=name, **fields)
    with caller(by):
        return await decide_maintenance(monitoring.needs, asked)


async def cancel(monitoring: Monitoring, window_id: str = "w") -> MaintenanceWindow:
    """Cancel a window as Siti."""
    name = f"{REGION}/maintenanceWindows/{window_id}"
    asked = maintenance_window_pb2.CancelMaintenanceWindowRequest(name=name, explanation="hujan")
    with caller("siti"):
        return await decide_maintenance(monitoring.needs, asked)


async def reject(monitoring: Monitoring, window_id: str = "w") -> MaintenanceWindow:
    """Reject a window as Budi."""
    name = f"{REGION}/maintenanceWindows/{window_id}"
    asked = maintenance_window_pb2.RejectMaintenanceWindowRequest(name=name, explanation="ujian")
    with caller("budi"):
        return await decide_maintenance(monitoring.needs, asked)


async def approved(monitoring: Monitoring, made: MaintenanceWindow, window_id: str = "w") -> None:
    """Request a window and approve it."""
    await request(monitoring, made, window_id)
    await approve(monitoring, window_id)


def clock_at(monitoring: Monitoring, minute: float, second: float = 0) -> None:
    """Set the clock, minutes and seconds after noon."""
    monitoring.clock.time = NOON + minute * MINUTE + timedelta(seconds=second)


async def go(monitoring: Monitoring, letters: str, begin: float, number: int = 0) -> None:
    """Write measurements of a point, one each ten seconds from a minute on."""
    some = [measured(number, 60 * begin + 10 * n, letter) for n, letter in enumerate(letters)]
    await write_measurements(monitoring.needs, partition_of(some[0].point), some)


async def rows(monitoring: Monitoring, statement: str) -> list[tuple[Any, ...]]:
    """Return what a statement reads."""
    async with monitoring.database.read() as connection:
        return [tuple(row) for row in await connection.fetch(statement)]


async def told(monitoring: Monitoring) -> list[tuple[str, str, str]]:
    """Return point, state before and state of each status event, in the order of each point's."""
    bodies = await rows(
        monitoring, "SELECT body FROM outbox WHERE resource LIKE '%/status' ORDER BY outbox_id"
    )
    events = [StatusChanged.FromString(body) for (body,) in bodies]
    return [
        (
            event.status.point.rpartition("/")[2],
            State.Name(event.previous_state),
            State.Name(event.status.state),
        )
        for event in events
    ]


async def queued(monitoring: Monitoring) -> list[str]:
    """Return the points that the incident engine is to look at, and forget them."""
    async with monitoring.database.transaction() as connection:
        taken = await connection.fetch("DELETE FROM incident_queue RETURNING point_id")
    return sorted(row["point_id"] for row in taken)


async def state_of(monitoring: Monitoring, number: int = 0) -> tuple[str, str]:
    """Return the state that is shown and the one that is measured."""
    status = await monitoring.status(number)
    return State.Name(status.state), State.Name(status.measured_state)


async def stored(monitoring: Monitoring, window_id: str = "w") -> MaintenanceWindow:
    """Return a window as everybody sees it."""
    name = f"{REGION}/maintenanceWindows/{window_id}"
    return await monitoring.stub.GetMaintenanceWindow(
        maintenance_window_pb2.GetMaintenanceWindowRequest(name=name)
    )


def minutes_of(one: MaintenanceWindow.Occurrence) -> tuple[float, float]:
    """Return begin and end of an occurrence, minutes after noon."""
    times = (one.start_time.ToDatetime(UTC), one.end_time.ToDatetime(UTC))
    return (times[0] - NOON) / MINUTE, (times[1] - NOON) / MINUTE
