"""Maintenance windows are in force to the second, and laid over what is measured."""

import asyncio
from datetime import UTC
from typing import Any

from monitoring.operations.turn_maintenance import turn_windows
from monitoring.testing import NOON, POINTS, REGION, Monitoring
from monitoring.testing_maintenance import (
    MINUTE,
    State,
    approve,
    approved,
    cancel,
    clock_at,
    go,
    minutes_of,
    queued,
    request,
    state_of,
    told,
    window,
)
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow


async def pieces(monitoring: Monitoring, **fields: Any) -> list[tuple[str, str, float, Any]]:
    """Return the pieces of P-0's timeline: state, measured state, minutes after noon."""
    found: list[tuple[str, str, float, Any]] = []
    token = ""
    while token or not found:
        answer = await monitoring.stub.ListStateIntervals(
            status_pb2.ListStateIntervalsRequest(
                parent=f"{REGION}/points/P-0", page_token=token, **fields
            )
        )
        found += [_piece(one) for one in answer.state_intervals]
        token = answer.next_page_token
        if not token:
            assert answer.total_size == len(found)
            break
    return found


def _piece(one: status_pb2.StateInterval) -> tuple[str, str, float, float | None]:
    end = one.end_time.ToDatetime(UTC) if one.HasField("end_time") else None
    return (
        State.Name(one.state),
        State.Name(one.measured_state),
        (one.start_time.ToDatetime(UTC) - NOON) / MINUTE,
        (end - NOON) / MINUTE if end else None,
    )


async def test_a_window_is_in_force_from_its_first_second_to_its_last(
    monitoring: Monitoring,
) -> None:
    await go(monitoring, "g", -1)
    await queued(monitoring)
    asked = await request(monitoring, window(120, 150))
    assert (asked.state, asked.requester) == (MaintenanceWindow.REQUESTED, "siti")
    assert (asked.notice_hours, asked.point_count, asked.occurrence_count) == (2, 1, 1)
    clock_at(monitoring, 60)
    decided = await approve(monitoring, etag=asked.etag)
    assert (decided.state, decided.decider) == (MaintenanceWindow.APPROVED, "budi")
    assert (decided.notice_hours, decided.approval_notice_hours) == (2, 1)
    clock_at(monitoring, 116)
    assert await turn_windows(monitoring.needs) == 0
    clock_at(monitoring, 119, 59.999999)
    assert (await monitoring.status()).state != State.MAINTENANCE
    clock_at(monitoring, 120)
    status = await monitoring.status()
    assert (status.state, status.measured_state) == (State.MAINTENANCE, State.UP)
    assert status.since.ToDatetime(UTC) == NOON + 120 * MINUTE
    assert (status.reason, status.maintenance_window) == ("maintenance: Migrasi FO", asked.name)
    assert await turn_windows(monitoring.needs) == 1
    assert await turn_windows(monitoring.needs) == 0
    assert await queued(monitoring) == ["P-0"]
    clock_at(monitoring, 149, 59.999999)
    await go(monitoring, "sss", 149)
    assert await queued(monitoring) == ["P-0"]
    assert await state_of(monitoring) == ("MAINTENANCE", "DOWN")
    clock_at(monitoring, 150)
    assert await state_of(monitoring) == ("DOWN", "DOWN")
    assert await turn_windows(monitoring.needs) == 1
    assert await queued(monitoring) == ["P-0"]
    clock_at(monitoring, 170)
    assert await turn_windows(monitoring.needs) == 0
    assert await told(monitoring) == [
        ("P-0", "UNKNOWN", "UP"),
        ("P-0", "UP", "MAINTENANCE"),
        ("P-0", "MAINTENANCE", "MAINTENANCE"),
        ("P-0", "MAINTENANCE", "DOWN"),
    ]


async def test_what_is_approved_after_its_begin_is_in_force_at_once_and_not_before(
    monitoring: Monitoring,
) -> None:
    await go(monitoring, "g", -1)
    asked = await request(monitoring, window(-20, 20))
    assert asked.notice_hours == 0
    assert await state_of(monitoring) == ("UP", "UP")
    await approve(monitoring)
    assert await state_of(monitoring) == ("MAINTENANCE", "UP")
    clock_at(monitoring, 30)
    assert await pieces(monitoring) == [
        ("UP", "UP", -1, 0),
        ("MAINTENANCE", "UP", 0, 20),
        ("UP", "UP", 20, None),
    ]


async def test_one_cancelled_in_its_middle_ends_then_and_has_covered_what_it_had(
    monitoring: Monitoring,
) -> None:
    await go(monitoring, "g", -1)
    every_day = window(10, 40, recurrence="FREQ=DAILY;COUNT=5")
    await approved(monitoring, every_day)
    clock_at(monitoring, 10)
    assert await turn_windows(monitoring.needs) == 1
    clock_at(monitoring, 25)
    called_off = await cancel(monitoring)
    assert (called_off.canceller, called_off.explanation) == ("siti", "hujan")
    assert [minutes_of(one) for one in called_off.occurrences] == [(10, 25)]
    assert await state_of(monitoring) == ("UP", "UP")
    await queued(monitoring)
    assert await turn_windows(monitoring.needs) == 1
    assert await queued(monitoring) == ["P-0"]
    assert (await told(monitoring))[-1] == ("P-0", "MAINTENANCE", "UP")
    clock_at(monitoring, 60 * 24 * 2)
    assert await turn_windows(monitoring.needs) == 0
    assert await pieces(monitoring) == [
        ("UP", "UP", -1, 10),
        ("MAINTENANCE", "UP", 10, 25),
        ("UP", "UP", 25, None),
    ]


async def test_each_occurrence_of_a_recurring_window_is_in_force(monitoring: Monitoring) -> None:
    await approved(monitoring, window(10, 40, recurrence="FREQ=DAILY;COUNT=2"))
    day = 24 * 60
    seen = []
    for minute in (10, 40, day + 10, day + 40, 2 * day + 10):
        clock_at(monitoring, minute)
        await turn_windows(monitoring.needs)
        seen.append((await state_of(monitoring))[0])
    assert seen == ["MAINTENANCE", "UNKNOWN", "MAINTENANCE", "UNKNOWN", "UNKNOWN"]
    assert [states[1:] for states in await told(monitoring)] == [
        ("UNKNOWN", "MAINTENANCE"),
        ("MAINTENANCE", "UNKNOWN"),
    ] * 2


async def test_a_window_that_passed_while_nobody_turned_it_has_covered_its_points(
    monitoring: Monitoring,
) -> None:
    await go(monitoring, "g", -1)
    await approved(monitoring, window(10, 20))
    await queued(monitoring)
    clock_at(monitoring, 90)
    assert await turn_windows(monitoring.needs) == 1
    assert await queued(monitoring) == ["P-0"]
    assert await pieces(monitoring) == [
        ("UP", "UP", -1, 10),
        ("MAINTENANCE", "UP", 10, 20),
        ("UP", "UP", 20, None),
    ]


async def test_of_windows_that_overlap_the_first_is_told_until_it_ends(
    monitoring: Monitoring,
) -> None:
    await go(monitoring, "g", -1)
    await approved(monitoring, window(10, 20), "a")
    await approved(monitoring, window(15, 30), "b")
    named = []
    for minute in (10, 15, 20, 30):
        clock_at(monitoring, minute)
        assert await turn_windows(monitoring.needs) == 1
        named.append((await monitoring.status()).maintenance_window.rpartition("/")[2])
    assert named == ["a", "a", "b", ""]
    assert (await told(monitoring))[1:] == [
        ("P-0", "UP", "MAINTENANCE"),
        ("P-0", "MAINTENANCE", "MAINTENANCE"),
        ("P-0", "MAINTENANCE", "UP"),
    ]


async def test_late_measurements_of_a_window_change_what_was_measured_under_it(
    monitoring: Monitoring,
) -> None:
    await go(monitoring, "g", 8)
    await approved(monitoring, window(10, 20))
    for minute in (10, 20):
        clock_at(monitoring, minute)
        await turn_windows(monitoring.needs)
    clock_at(monitoring, 26)
    await go(monitoring, "g", 26)
    await go(monitoring, "sss", 12)
    await go(monitoring, "gg", 14)
    assert await pieces(monitoring) == [
        ("UP", "UP", 8, 10),
        ("MAINTENANCE", "UP", 10, 12),
        ("MAINTENANCE", "DOWN", 12, 14),
        ("MAINTENANCE", "UP", 14, 14 + 310 / 60),
        ("MAINTENANCE", "UNKNOWN", 14 + 310 / 60, 20),
        ("UNKNOWN", "UNKNOWN", 20, 26),
        ("UP", "UP", 26, None),
    ]
    assert await pieces(monitoring, page_size=1) == await pieces(monitoring)


async def test_intervals_are_asked_for_by_their_pieces(monitoring: Monitoring) -> None:
    await go(monitoring, "g", 0)
    await approved(monitoring, window(10, 20))
    clock_at(monitoring, 30)
    await turn_windows(monitoring.needs)
    span = status_pb2.ListStateIntervalsRequest()
    for begin, end, wanted in (
        (0, 10, ["UP"]),
        (5, 11, ["UP", "MAINTENANCE"]),
        (10, 20, ["MAINTENANCE"]),
        (20, 21, ["UP"]),
        (15, 90, ["MAINTENANCE", "UP"]),
    ):
        span.start_time.FromDatetime(NOON + begin * MINUTE)
        span.end_time.FromDatetime(NOON + end * MINUTE)
        found = await pieces(monitoring, start_time=span.start_time, end_time=span.end_time)
        assert [piece[0] for piece in found] == wanted, (begin, end)


async def test_statuses_are_counted_and_filtered_with_maintenance(monitoring: Monitoring) -> None:
    await go(monitoring, "g", -1, 0)
    await go(monitoring, "g", -1, 1)
    await approved(monitoring, window(0, 60))
    listed = await monitoring.stub.ListStatuses(status_pb2.ListStatusesRequest(parent=REGION))
    assert dict(listed.counts) == {"UP": 1, "MAINTENANCE": 1, "UNKNOWN": POINTS - 2}
    only = await monitoring.stub.ListStatuses(
        status_pb2.ListStatusesRequest(parent=REGION, state=[State.MAINTENANCE])
    )
    assert [one.point for one in only.statuses] == [f"{REGION}/points/P-0"]
    ups = await monitoring.stub.ListStatuses(
        status_pb2.ListStatusesRequest(parent=REGION, state=[State.UP])
    )
    assert [one.point for one in ups.statuses] == [f"{REGION}/points/P-1"]


async def test_a_watcher_sees_a_window_begin_and_end(monitoring: Monitoring) -> None:
    monitoring.tell()
    await approved(monitoring, window(10, 20))
    seen: asyncio.Queue[status_pb2.Status] = asyncio.Queue()
    ready = asyncio.Event()

    async def watch() -> None:
        asked = status_pb2.WatchStatusesRequest(parent=REGION)
        async for part in monitoring.stub.WatchStatuses(asked):
            for status in part.statuses if not part.is_snapshot else ():
                seen.put_nowait(status)
            if part.resume_token:
                ready.set()

    task = asyncio.create_task(watch())
    async with asyncio.timeout(40):
        await ready.wait()
        for minute, state in ((10, State.MAINTENANCE), (20, State.UNKNOWN)):
            clock_at(monitoring, minute)
            await turn_windows(monitoring.needs)
            status = await seen.get()
            assert (status.point, status.state) == (f"{REGION}/points/P-0", state)
    task.cancel()
    await asyncio.wait([task])
