"""Maintenance windows: requested, decided about, in force to the second, told once."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from common.caller import CALLER, Caller
from common.errors import FieldsInvalid, ServiceError
from devstack.waiting import until
from monitoring.domain.partitions import partition_of
from monitoring.domain.window_states import (
    MaintenanceOver,
    MaintenanceStateWrong,
    NotRequester,
    OwnRequest,
)
from monitoring.operations import turn_maintenance
from monitoring.operations.decide_maintenance import decide_maintenance
from monitoring.operations.dependencies import utc_now
from monitoring.operations.request_maintenance import change_request, request_maintenance
from monitoring.operations.turn_maintenance import run_maintenance, turn_windows
from monitoring.storage import places
from monitoring.testing import NOON, POINTS, REGION, Monitoring, measured, write_measurements
from smartcity.monitoring.v1 import change_pb2, maintenance_window_pb2, status_pb2
from smartcity.monitoring.v1.events_pb2 import (
    MaintenanceApproved,
    MaintenanceCancelled,
    StatusChanged,
)
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

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
    monitoring.clock.time = NOON + minute * MINUTE + timedelta(seconds=second)


async def go(monitoring: Monitoring, letters: str, begin: float, number: int = 0) -> None:
    """Write measurements of a point, one each ten seconds from a minute on."""
    some = [measured(number, 60 * begin + 10 * n, letter) for n, letter in enumerate(letters)]
    await write_measurements(monitoring.needs, partition_of(some[0].point), some)


async def rows(monitoring: Monitoring, statement: str) -> list[tuple[Any, ...]]:
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


async def test_nobody_approves_their_own_request(monitoring: Monitoring) -> None:
    asked = await request(monitoring, window(10, 20))
    with pytest.raises(OwnRequest, match="siti requested it, so siti") as refused:
        await approve(monitoring, by="siti")
    assert refused.value.metadata == {"requester": "siti", "approver": "siti"}
    assert await stored(monitoring) == asked


async def stored(monitoring: Monitoring, window_id: str = "w") -> MaintenanceWindow:
    name = f"{REGION}/maintenanceWindows/{window_id}"
    return await monitoring.stub.GetMaintenanceWindow(
        maintenance_window_pb2.GetMaintenanceWindowRequest(name=name)
    )


async def test_a_decision_that_does_not_fit_the_state_is_refused(monitoring: Monitoring) -> None:
    await request(monitoring, window(10, 20), "rejected")
    refused = await reject(monitoring, "rejected")
    assert (refused.decider, refused.explanation) == ("budi", "ujian")
    for act in (approve, reject, cancel):
        with pytest.raises(MaintenanceStateWrong, match="is REJECTED"):
            await act(monitoring, "rejected")
    await approved(monitoring, window(10, 20), "over")
    await request(monitoring, window(10, 20), "late")
    clock_at(monitoring, 20)
    with pytest.raises(MaintenanceOver, match="over since 2026-11-24T04:20:00"):
        await cancel(monitoring, "over")
    with pytest.raises(MaintenanceOver):
        await approve(monitoring, "late")
    assert (await cancel(monitoring, "late")).state == MaintenanceWindow.CANCELLED
    assert await turn_windows(monitoring.needs) == 1


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
    assert [_span(one) for one in called_off.occurrences] == [(10, 25)]
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


def _span(one: MaintenanceWindow.Occurrence) -> tuple[float, float]:
    times = (one.start_time.ToDatetime(UTC), one.end_time.ToDatetime(UTC))
    return (times[0] - NOON) / MINUTE, (times[1] - NOON) / MINUTE


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


async def test_a_district_s_points_are_covered_also_one_that_comes_later(
    monitoring: Monitoring,
) -> None:
    await approved(monitoring, window(0, 60, districts=[f"{REGION}/districts/64.01.02"]))
    in_district = {f"P-{number}" for number in range(POINTS) if number % 3 == 1}
    assert await turn_windows(monitoring.needs) == len(in_district)
    assert {point for point, _, _ in await told(monitoring)} == in_district
    async with monitoring.database.transaction() as connection:
        move = "UPDATE points SET district_code = $2 WHERE point_id = $1"
        await connection.execute(move, "P-0", "64.01.02")
        await connection.execute(move, "P-1", "64.01.01")
    clock_at(monitoring, 30)
    await queued(monitoring)
    assert await turn_windows(monitoring.needs) == 1
    assert await queued(monitoring) == ["P-0"]
    status = await monitoring.status(0)
    assert status.since.ToDatetime(UTC) == NOON + 30 * MINUTE
    assert (await state_of(monitoring, 1))[0] == "MAINTENANCE"
    clock_at(monitoring, 60)
    assert await turn_windows(monitoring.needs) == len(in_district) + 1


async def test_a_provider_s_points_are_covered_by_their_lines(monitoring: Monitoring) -> None:
    async with monitoring.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO circuits (region_code, point_id, circuit_id, provider_id, sequence)"
            " VALUES ('64.01', 'P-3', 'main', 'telkom', 1), ('64.01', 'P-3', 'b', 'telkom', 1),"
            " ('64.01', 'P-4', 'main', 'icon', 1)"
        )
    await approved(
        monitoring,
        window(
            0,
            60,
            providers=[f"{REGION}/providers/telkom"],
            points=[f"{REGION}/points/{one}" for one in ("P-3", "P-5")],
        ),
    )
    assert (await stored(monitoring)).point_count == 2
    async with monitoring.database.read() as connection:
        found = await places.read_silences(connection, "64.01", [f"P-{n}" for n in range(9)], NOON)
    assert found == {one: [(NOON, NOON + 60 * MINUTE)] for one in ("P-3", "P-5")}


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


WAITING = """
SELECT pid
  FROM pg_stat_activity
 WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


@pytest.mark.parametrize("turn", [0, 10])
async def test_two_who_turn_at_once_tell_each_point_once(
    monitoring: Monitoring, turn: float
) -> None:
    districts = [f"{REGION}/districts/64.01.0{n}" for n in (1, 2, 3)]
    for number, district in enumerate(districts):
        await approved(monitoring, window(0, 10, districts=[district]), f"w-{number}")
    clock_at(monitoring, turn)
    async with monitoring.database.transaction() as connection:
        await connection.execute("SELECT FROM writer_partitions FOR UPDATE")
        turning = [asyncio.create_task(turn_windows(monitoring.needs)) for _ in range(4)]

        async def all_under_way() -> bool:
            done = sum(task.done() for task in turning)
            return done + len(await rows(monitoring, WAITING)) == len(turning)

        assert await until(all_under_way, within_s=20)
    assert sum(await asyncio.gather(*turning)) == POINTS
    assert sorted(await queued(monitoring)) == sorted(f"P-{n}" for n in range(POINTS))
    events = await told(monitoring)
    assert len(events) == (0 if turn else POINTS)
    assert len(set(events)) == len(events)


async def test_one_killed_in_the_middle_has_told_nothing_and_the_next_tells_all(
    monitoring: Monitoring,
) -> None:
    await approved(monitoring, window(0, 10, districts=[f"{REGION}/districts/64.01.02"]))
    async with monitoring.database.transaction() as connection:
        await connection.execute("SELECT FROM writer_partitions FOR UPDATE")
        turning = asyncio.create_task(turn_windows(monitoring.needs))

        async def waits() -> bool:
            return bool(await rows(monitoring, WAITING))

        assert await until(waits, within_s=20)
        ((session,),) = await rows(monitoring, WAITING)
        await connection.fetchval("SELECT pg_terminate_backend($1)", session)
        with pytest.raises(ServiceError):
            await turning
    assert await told(monitoring) == []
    assert await queued(monitoring) == []
    count = len([number for number in range(POINTS) if number % 3 == 1])
    assert await turn_windows(monitoring.needs) == count
    assert len(await told(monitoring)) == count


async def test_a_state_that_changes_at_the_end_of_a_window_is_not_told_as_it_was_before(
    monitoring: Monitoring,
) -> None:
    """The writer of a point that goes DOWN stands before its end while the window ends."""
    await go(monitoring, "g", -1)
    await approved(monitoring, window(0, 10))
    await turn_windows(monitoring.needs)
    clock_at(monitoring, 10)
    async with monitoring.database.transaction() as connection:
        lock = "SELECT FROM event_positions WHERE resource LIKE '%/P-0/status' FOR UPDATE"
        await connection.execute(lock)
        writing = asyncio.create_task(go(monitoring, "sss", 9.5))

        async def wait(count: int) -> bool:
            async def so() -> bool:
                return len(await rows(monitoring, WAITING)) == count

            return await until(so, within_s=20)

        assert await wait(1)
        turned = asyncio.create_task(turn_windows(monitoring.needs))
        assert await wait(2)
    await asyncio.gather(writing, turned)
    assert (await told(monitoring))[-1] == ("P-0", "MAINTENANCE", "DOWN")


MANY = 10_000
ADD_MANY = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'M-' || n, 'Titik ' || n, 'OPD', '64.01.09', 'FO', 'ACTIVE', 1
  FROM generate_series(1, $1) AS n
"""


async def test_a_window_over_ten_thousand_points_is_turned_as_a_whole(
    monitoring: Monitoring,
) -> None:
    async with monitoring.database.transaction() as connection:
        await connection.execute(ADD_MANY, MANY)
    await approved(monitoring, window(0, 10, districts=[f"{REGION}/districts/64.01.09"]))
    assert (await stored(monitoring)).point_count == MANY
    assert await turn_windows(monitoring.needs) == MANY
    listed = await monitoring.stub.ListStatuses(status_pb2.ListStatusesRequest(parent=REGION))
    assert dict(listed.counts) == {"MAINTENANCE": MANY, "UNKNOWN": POINTS}
    clock_at(monitoring, 10)
    assert await turn_windows(monitoring.needs) == MANY
    assert len(await told(monitoring)) == 2 * MANY


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(
    monitoring: Monitoring,
) -> None:
    wrong = window(
        10,
        10,
        points=["P-0", f"{REGION}/points/NO-SUCH", "regions/64.09/points/P-0"],
        districts=[f"{REGION}/districts/64.01.77"],
        providers=[f"{REGION}/providers/nobody"],
    )
    wrong.ClearField("title")
    wrong.start_time.nanos = 5
    with pytest.raises(FieldsInvalid) as refused:
        await request(monitoring, wrong, "not an id")
    assert {violation.field.removeprefix("maintenanceWindow.") for violation in _all(refused)} == {
        "maintenanceWindowId",
        "title",
        "points[0]",
        "points[1]",
        "points[2]",
        "districts[0]",
        "providers[0]",
        "startTime",
    }
    assert await rows(monitoring, "SELECT window_id FROM maintenance_windows") == []


def _all(refused: pytest.ExceptionInfo[FieldsInvalid]) -> Sequence[Any]:
    return refused.value.violations


YEARS = 60 * 24 * 365 * 3


@pytest.mark.parametrize(
    ("made", "field", "said"),
    [
        (window(10, 20, points=[]), "points", "must cover something"),
        (window(10, 10), "endTime", "1 minute to 31 days after"),
        (window(10, 10 + 60 * 24 * 32), "endTime", "1 minute to 31 days after"),
        (window(-20, -10), "endTime", "is over: it is 2026-11-24T04:00:00"),
        (window(-YEARS, -YEARS + 10), "startTime", "must lie between 2026-10-24"),
        (window(YEARS, YEARS + 10), "startTime", "must lie between"),
        (window(10, 20, recurrence="FREQ=SECONDLY;COUNT=9"), "recurrence", "FREQ=DAILY|WEEKLY"),
        (window(10, 20, recurrence="FREQ=DAILY"), "recurrence", "no window is without end"),
        (window(10, 20, recurrence="FREQ=MONTHLY;COUNT=99"), "recurrence", "must end before"),
        (window(10, 2000, recurrence="FREQ=DAILY;COUNT=9"), "recurrence", "begins again at"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_with_the_reason(
    monitoring: Monitoring, made: MaintenanceWindow, field: str, said: str
) -> None:
    with pytest.raises(FieldsInvalid) as refused:
        await request(monitoring, made)
    (violation,) = _all(refused)
    assert violation.field == f"maintenanceWindow.{field}"
    assert said in violation.message
    assert await rows(monitoring, "SELECT window_id FROM maintenance_windows") == []


async def test_a_time_out_of_the_calendar_and_a_region_without_a_zone_are_refused(
    monitoring: Monitoring,
) -> None:
    made = window(10, 20)
    made.start_time.seconds = 2**60
    with pytest.raises(FieldsInvalid, match=r"startTime: is no time of the calendar"):
        await request(monitoring, made)
    nowhere = maintenance_window_pb2.CreateMaintenanceWindowRequest(
        parent="regions/99.01", maintenance_window=window(10, 20)
    )
    with pytest.raises(FieldsInvalid, match=r"regions/99\.01 lies in no known time zone"):
        await request_maintenance(monitoring.needs, nowhere)


async def test_a_dry_run_tells_occurrences_and_points_and_stores_nothing(
    monitoring: Monitoring,
) -> None:
    made = window(
        10,
        40,
        districts=[f"{REGION}/districts/64.01.02"],
        recurrence="FREQ=DAILY;COUNT=12",
    )
    shown = await request(monitoring, made, validate_only=True)
    assert [_span(one) for one in shown.occurrences] == [
        (10 + 1440 * day, 40 + 1440 * day) for day in range(10)
    ]
    assert (shown.occurrence_count, shown.point_count) == (12, 7)
    assert await rows(monitoring, "SELECT window_id FROM maintenance_windows") == []
    await request(monitoring, made)
    assert (await approve(monitoring, validate_only=True)).state == MaintenanceWindow.APPROVED
    assert (await stored(monitoring)).state == MaintenanceWindow.REQUESTED


async def test_what_only_we_write_cannot_be_given_and_a_request_repeats_its_answer(
    monitoring: Monitoring,
) -> None:
    made = window(10, 20, state=MaintenanceWindow.APPROVED, decider="nobody", notice_hours=99)
    first = await request(monitoring, made, request_id="r-1")
    assert (first.state, first.decider) == (MaintenanceWindow.REQUESTED, "")
    assert first.notice_hours == pytest.approx(1 / 6)
    again = window(10, 20, state=MaintenanceWindow.APPROVED, decider="nobody", notice_hours=99)
    assert await request(monitoring, again, request_id="r-1") == first


async def change(monitoring: Monitoring, change: MaintenanceWindow, by: str) -> MaintenanceWindow:
    asked = maintenance_window_pb2.UpdateMaintenanceWindowRequest(maintenance_window=change)
    with caller(by):
        return await change_request(monitoring.needs, asked)


async def test_only_the_requester_changes_a_request_that_nobody_decided_about(
    monitoring: Monitoring,
) -> None:
    asked = await request(monitoring, window(10, 20))
    changed = MaintenanceWindow(name=asked.name, recurrence="FREQ=DAILY;COUNT=2")
    with pytest.raises(NotRequester, match="siti requested it, so budi"):
        await change(monitoring, changed, "budi")
    clock_at(monitoring, 5)
    stored_ = await change(monitoring, changed, "siti")
    assert [_span(one) for one in stored_.occurrences] == [(10, 20), (1450, 1460)]
    assert stored_.notice_hours == pytest.approx(5 / 60)
    assert await change(monitoring, changed, "siti") == stored_
    await approve(monitoring)
    with pytest.raises(MaintenanceStateWrong, match="is APPROVED; it must be REQUESTED"):
        await change(monitoring, changed, "siti")


async def test_the_history_says_who_silenced_what_and_others_are_told(
    monitoring: Monitoring,
) -> None:
    await approved(monitoring, window(10, 20))
    await cancel(monitoring)
    history = await monitoring.stub.ListChanges(
        change_pb2.ListChangesRequest(name=f"{REGION}/maintenanceWindows/w")
    )
    assert [(change.action, change.actor, change.grant) for change in history.changes] == [
        ("cancel", "siti", "64.01/operator"),
        ("approve", "budi", "64.01/operator"),
        ("create", "siti", "64.01/operator"),
    ]
    assert history.changes[0].after["explanation"] == "hujan"
    bodies = await rows(
        monitoring,
        "SELECT body FROM outbox WHERE resource LIKE '%/maintenanceWindows/w' ORDER BY sequence",
    )
    approval = MaintenanceApproved.FromString(bodies[0][0])
    assert (approval.maintenance_window.state, approval.maintenance_window.decider) == (
        MaintenanceWindow.APPROVED,
        "budi",
    )
    assert {"state", "decider", "decideTime"} <= set(approval.changed_fields)
    cancellation = MaintenanceCancelled.FromString(bodies[1][0])
    assert cancellation.maintenance_window == await stored(monitoring)


async def listed(monitoring: Monitoring, **fields: Any) -> list[str]:
    """Return the ids that a list gives, page after page of two."""
    found: list[str] = []
    token = ""
    while True:
        answer = await monitoring.stub.ListMaintenanceWindows(
            maintenance_window_pb2.ListMaintenanceWindowsRequest(
                parent=REGION, page_size=2, page_token=token, **fields
            )
        )
        found += [one.name.rpartition("/")[2] for one in answer.maintenance_windows]
        token = answer.next_page_token
        if not token:
            assert answer.total_size == len(found)
            return found


async def test_windows_are_listed_by_state_point_and_time(monitoring: Monitoring) -> None:
    await request(monitoring, window(10, 20), "a")
    await approved(monitoring, window(10, 30, districts=[f"{REGION}/districts/64.01.02"]), "b")
    await approved(monitoring, window(5, 15, recurrence="FREQ=DAILY;COUNT=2"), "c")
    await approved(monitoring, window(12, 40), "d")
    clock_at(monitoring, 25)
    await cancel(monitoring, "d")
    assert await listed(monitoring) == ["d", "b", "a", "c"]
    assert await listed(monitoring, state=[MaintenanceWindow.APPROVED]) == ["b", "c"]
    assert await listed(monitoring, point=f"{REGION}/points/P-0") == ["d", "a", "c"]
    assert await listed(monitoring, point=f"{REGION}/points/P-1") == ["b"]
    moment = maintenance_window_pb2.ListMaintenanceWindowsRequest().at_time
    for minute, wanted in ((9, ["c"]), (19, ["d", "b", "a"]), (26, ["b"]), (1445, ["c"])):
        moment.FromDatetime(NOON + minute * MINUTE)
        assert await listed(monitoring, at_time=moment) == wanted, minute


async def test_another_region_sees_nothing_of_a_window(monitoring: Monitoring) -> None:
    await approved(monitoring, window(0, 10))
    tables = ("maintenance_windows", "maintenance_occurrences", "maintenance_spans")
    token = CALLER.set(Caller("budi", "64.09"))
    try:
        seen = [await rows(monitoring, f"SELECT 1 FROM {table}") for table in tables]  # noqa: S608
    finally:
        CALLER.reset(token)
    assert seen == [[], [], []]
    assert [await rows(monitoring, f"SELECT 1 FROM {table}") for table in tables] == [[(1,)]] * 3  # noqa: S608


@pytest.fixture
async def turning(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Monitoring]:
    """Turn windows in the background, by the true clock, and never just look."""
    monkeypatch.setattr(turn_maintenance, "LOOK_EVERY_S", 3600.0)
    task = asyncio.create_task(run_maintenance(replace(monitoring.needs, clock=utc_now)))
    yield monitoring
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_loop_is_woken_by_an_approval_and_by_the_hour_of_a_begin(
    turning: Monitoring,
) -> None:
    turning.clock.time = now = datetime.now(UTC).replace(microsecond=0)
    minutes = (now - NOON) / MINUTE
    await approved(turning, window(minutes - 1, minutes + 60), "now")
    soon = window(minutes + 3 / 60, minutes + 60, points=[f"{REGION}/points/P-1"])
    await approved(turning, soon, "soon")

    async def both() -> bool:
        return {point for point, _, _ in await told(turning)} == {"P-0", "P-1"}

    assert await until(both, within_s=60)


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
