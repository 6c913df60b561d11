"""Maintenance windows are turned once, whoever turns them, and all of each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from common.errors import ServiceError
from devstack.waiting import until
from monitoring.operations import turn_maintenance
from monitoring.operations.dependencies import utc_now
from monitoring.operations.turn_maintenance import run_maintenance, turn_windows
from monitoring.testing import NOON, POINTS, REGION, Monitoring
from monitoring.testing_maintenance import (
    MINUTE,
    approved,
    clock_at,
    go,
    queued,
    rows,
    stored,
    told,
    window,
)
from smartcity.monitoring.v1 import status_pb2

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
