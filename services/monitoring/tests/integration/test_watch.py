"""Whoever watches is told everything once and misses nothing."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from common.auth.tokens import Unauthenticated
from common.caller import CALLER, Caller
from common.events.event import event_of
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from google.type.date_pb2 import Date
from monitoring.events.circuits import follow_circuits
from monitoring.events.points import keep_point
from monitoring.operations import turn_circuits
from monitoring.operations import watch_statuses as watching
from monitoring.testing import NOON, POINTS, REGION, Monitoring, measured, write_measurements
from monitoring.testing_inventory import lay, line_told
from smartcity.inventory.v1.events_pb2 import (
    PointDeleted,
    PointResumed,
    PointSuspended,
    PointUpdated,
)
from smartcity.inventory.v1.point_pb2 import FO, Point
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.check_pb2 import Check
from smartcity.monitoring.v1.status_pb2 import WatchStatusesRequest

State = status_pb2.State


class Watcher:
    """Watches and comes back with its token whenever the stream ends, as a console does."""

    def __init__(self, monitoring: Monitoring, token: str = "", **filters: Any) -> None:
        self._monitoring = monitoring
        self._filters = filters
        self.names: list[str] = []
        self.removed: list[str] = []
        self.lines: list[tuple[str, ...]] = []
        self.token = token
        self.wholes = 0
        self.changes: list[tuple[str, int]] = []
        self.states: dict[str, int] = {}
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.1)

    async def _watch(self) -> None:
        request = WatchStatusesRequest(parent=REGION, resume_token=self.token, **self._filters)
        whole = False
        async for part in self._monitoring.stub.WatchStatuses(request):
            for status in part.statuses:
                self.states[status.point] = status.state
                if not part.is_snapshot:
                    self.names.append(status.display_name)
                    point, *lines = (
                        n.rpartition("/")[2] for n in (status.point, *status.providers)
                    )
                    self.lines.append((point, *lines))
                    self.changes.append((status.point.rpartition("/")[2], status.state))
            self.removed += [point.rpartition("/")[2] for point in part.removed_points]
            self.wholes += part.is_snapshot and not whole
            whole = whole or part.is_snapshot
            self.token = part.resume_token or self.token

    async def ready(self) -> None:
        """Wait for the first token."""

        async def has_token() -> bool:
            self._told_of_failure()
            return bool(self.token)

        assert await until(has_token, within_s=20)

    async def saw(self, *changes: tuple[str, int]) -> bool:
        """Wait until exactly these changes were told."""

        async def so() -> bool:
            self._told_of_failure()
            return self.changes == list(changes)

        return await until(so, within_s=20)

    async def saw_lines(self, *lines: tuple[str, ...]) -> bool:
        """Wait until exactly these points were told, with the providers that they had."""

        async def so() -> bool:
            self._told_of_failure()
            return self.lines == list(lines)

        return await until(so, within_s=20)

    async def is_told(self, states: dict[str, int]) -> bool:
        """Wait until the states of these points are what was told last."""

        async def so() -> bool:
            self._told_of_failure()
            return states.items() <= self.states.items()

        return await until(so, within_s=40)

    def _told_of_failure(self) -> None:
        if self._task.done():
            self._task.result()

    async def end(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.fixture
async def watchers() -> AsyncIterator[list[Watcher]]:
    started: list[Watcher] = []
    yield started
    for one in started:
        await one.end()


async def go(monitoring: Monitoring, number: int, letters: str, begin_s: float) -> None:
    """Write measurements of a point, one each ten seconds."""
    some = [measured(number, begin_s + 10 * n, letter) for n, letter in enumerate(letters)]
    await write_measurements(monitoring.needs, 0, some)


async def test_a_watcher_gets_the_whole_then_changes_and_resumes_without_a_gap(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    monitoring.tell()
    first = Watcher(monitoring)
    watchers.append(first)
    await first.ready()
    assert set(first.states.values()) == {State.UNKNOWN}
    assert len(first.states) == POINTS
    await go(monitoring, 1, "g", -100)
    assert await first.saw(("P-1", State.UP))
    await first.end()
    await go(monitoring, 1, "sss", -80)
    await go(monitoring, 2, "g", -80)
    again = Watcher(monitoring, first.token)
    watchers.append(again)
    assert await again.saw(("P-1", State.DOWN), ("P-2", State.UP))
    assert again.wholes == 0


async def test_a_change_that_the_whole_holds_is_not_told_again(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    await go(monitoring, 1, "gsss", -200)  # told to nobody yet
    watcher = Watcher(monitoring)
    watchers.append(watcher)
    await watcher.ready()
    assert watcher.states[f"{REGION}/points/P-1"] == State.DOWN
    monitoring.tell()
    await go(monitoring, 1, "gg", -100)
    assert await watcher.saw(("P-1", State.UP))


async def inventory_tells(
    monitoring: Monitoring, kind: type[Any], sequence: int, /, **changes: Any
) -> None:
    """Handle an event about P-1, which is as the fixture made it but for the changes."""
    given: dict[str, Any] = {
        "name": f"{REGION}/points/P-1",
        "display_name": "Titik 1",
        "kind": Point.OPD,
        "district": f"{REGION}/districts/64.01.02",
        "technology": FO,
        "state": Point.ACTIVE,
    }
    point = Point(**given | changes)
    event = event_of(kind(point=point), point.name).numbered(sequence)
    async with monitoring.database.transaction() as connection:
        await keep_point(connection, event, monitoring.clock)


async def test_a_watcher_is_told_of_points_that_are_renamed_leave_and_come_back(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    monitoring.tell()
    watcher = Watcher(monitoring)
    watchers.append(watcher)
    await watcher.ready()
    await go(monitoring, 1, "g", -100)
    assert await watcher.saw(("P-1", State.UP))
    await inventory_tells(monitoring, PointUpdated, 2, people_served=5)  # nobody is shown that
    await inventory_tells(monitoring, PointUpdated, 3, display_name="Kantor Camat")
    await inventory_tells(monitoring, PointUpdated, 2, display_name="an older name, told late")
    assert await watcher.saw(("P-1", State.UP), ("P-1", State.UP))
    assert watcher.names == ["Titik 1", "Kantor Camat"]
    named = {"display_name": "Kantor Camat"}
    await inventory_tells(monitoring, PointSuspended, 4, state=Point.SUSPENDED, **named)
    await inventory_tells(monitoring, PointUpdated, 5, state=Point.SUSPENDED, display_name="X")
    await inventory_tells(monitoring, PointResumed, 6, **named)
    assert await watcher.saw(*[("P-1", State.UP)] * 3)
    assert watcher.removed == ["P-1"]
    await inventory_tells(monitoring, PointDeleted, 7, **named)

    async def gone() -> bool:
        return watcher.removed == ["P-1", "P-1"]

    assert await until(gone, within_s=20)


async def test_a_point_that_moves_out_of_a_filter_is_told_there_and_a_new_one_is_not(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    monitoring.tell()
    here = Watcher(monitoring, district=f"{REGION}/districts/64.01.02", kind=["OPD"])
    watchers.append(here)
    await here.ready()
    assert set(here.states) == {f"{REGION}/points/P-{n}" for n in (1, 7, 13, 19)}
    elsewhere = {"district": f"{REGION}/districts/64.01.03"}
    await inventory_tells(monitoring, PointUpdated, 2, display_name="moved", **elsewhere)
    await inventory_tells(monitoring, PointSuspended, 3, state=Point.SUSPENDED, **elsewhere)
    await inventory_tells(monitoring, PointResumed, 4, display_name="resumed", **elsewhere)
    await inventory_tells(monitoring, PointUpdated, 5, display_name="back")
    await inventory_tells(monitoring, PointUpdated, 6, display_name="a school", kind=Point.SCHOOL)

    async def told() -> bool:
        return here.names == ["moved", "back", "a school"]

    assert await until(told, within_s=20)
    assert here.removed == []


TODAY, TOMORROW = (Date(year=2026, month=11, day=day) for day in (24, 25))


async def test_a_watcher_of_a_provider_is_told_of_points_that_get_and_lose_its_lines(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    monitoring.tell()
    await lay(monitoring, 1)
    watcher = Watcher(monitoring, provider=[f"{REGION}/providers/telkom"])
    watchers.append(watcher)
    await watcher.ready()
    assert set(watcher.states) == {f"{REGION}/points/P-1"}
    icon = {"provider": f"{REGION}/providers/icon"}
    await lay(monitoring, 2)
    await lay(monitoring, 2, 2, download_mbps=100)  # nobody is shown that
    await lay(monitoring, 2, 1, **icon)  # an older event, which comes late
    await lay(monitoring, 2, line="second")  # of telkom, too
    await lay(monitoring, 2, 3, **icon)
    await lay(monitoring, 2, 2, line="second", deleted=True)
    await lay(monitoring, 1, 2, end_date=TODAY)
    seen = [("P-2", "telkom"), ("P-2", "icon", "telkom"), ("P-2", "icon"), ("P-1",)]
    assert await watcher.saw_lines(*seen)
    await inventory_tells(monitoring, PointSuspended, 2, state=Point.SUSPENDED)
    await lay(monitoring, 1, 3)  # of a point that is out of service nobody is told
    await inventory_tells(monitoring, PointResumed, 3)
    assert await watcher.saw_lines(*seen, ("P-1", "telkom"))


async def test_a_watcher_of_a_provider_is_told_of_lines_that_begin_and_end_with_the_day(
    monitoring: Monitoring, watchers: list[Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monitoring.tell()
    await lay(monitoring, 1, end_date=TOMORROW)
    await lay(monitoring, 2, start_date=TOMORROW)
    await lay(monitoring, 3, end_date=TOMORROW)
    watcher = Watcher(monitoring, provider=[f"{REGION}/providers/telkom"])
    watchers.append(watcher)
    await watcher.ready()
    monitoring.clock.time = NOON + timedelta(hours=12)
    await lay(monitoring, 3, 2, end_date=TOMORROW, download_mbps=100)  # before the loop has looked
    assert await watcher.saw_lines(("P-3",))
    monkeypatch.setattr(turn_circuits, "AT_ONCE", 1)
    turning = asyncio.create_task(turn_circuits.run_circuits(monitoring.needs))
    assert await watcher.saw_lines(("P-3",), ("P-1",), ("P-2", "telkom"))
    turning.cancel()
    await asyncio.wait([turning])


WAITING = """
SELECT count(*)
  FROM pg_stat_activity
 WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


async def test_a_point_that_loses_both_lines_at_once_is_told_without_any(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    monitoring.tell()
    for line in ("main", "second"):
        await lay(monitoring, 1, line=line)
    watcher = Watcher(monitoring, provider=[f"{REGION}/providers/telkom"])
    watchers.append(watcher)
    await watcher.ready()
    follow = follow_circuits(Check(), monitoring.clock)
    async with monitoring.database.transaction() as connection:
        await follow(connection, line_told(1, 2, deleted=True))
        other = asyncio.create_task(lay(monitoring, 1, 2, line="second", deleted=True))

        async def stands() -> bool:
            return other.done() or bool(await connection.fetchval(WAITING))

        assert await until(stands, within_s=20)
    await other
    assert await watcher.saw_lines(("P-1",))


async def test_a_point_out_of_service_stays_removed_whatever_is_measured_there(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    await go(monitoring, 1, "g", -100)
    monitoring.tell()
    watcher = Watcher(monitoring)
    watchers.append(watcher)
    await watcher.ready()
    await inventory_tells(monitoring, PointSuspended, 2, state=Point.SUSPENDED)
    await go(monitoring, 1, "sss", -90)
    await go(monitoring, 2, "g", -60)
    assert await watcher.saw(("P-2", State.UP))
    assert watcher.removed == ["P-1"]
    await inventory_tells(monitoring, PointResumed, 3)
    assert await watcher.saw(("P-2", State.UP), ("P-1", State.DOWN))


async def test_a_bus_killed_under_way_hides_no_change(
    monitoring: Monitoring, watchers: list[Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.5)
    monitoring.tell()
    watcher = Watcher(monitoring)
    watchers.append(watcher)
    await watcher.ready()
    for number in range(POINTS):
        if number == POINTS // 2:
            os.kill(monitoring.nats.child.pid, signal.SIGKILL)  # type: ignore[arg-type]
        await go(monitoring, number, "gsss" if number % 2 else "g", -200)
    wanted: dict[str, int] = {
        f"{REGION}/points/P-{n}": State.DOWN if n % 2 else State.UP for n in range(POINTS)
    }
    assert await watcher.is_told(wanted)


async def test_silence_is_told_and_a_token_of_elsewhere_refused(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.2)
    parts: list[Any] = []
    async for part in monitoring.stub.WatchStatuses(WatchStatusesRequest(parent=REGION)):
        parts.append(part)
        if len(parts) == 4:
            break
    assert [len(part.statuses) for part in parts] == [POINTS, 0, 0, 0]
    assert [part.is_snapshot for part in parts] == [True, False, False, False]
    for token in ("x", "12345678", "12345678-x", "-5"):
        request = WatchStatusesRequest(parent=REGION, resume_token=token)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await anext(aiter(monitoring.stub.WatchStatuses(request)))
        assert list(refusal_of(failed.value).fields) == ["resumeToken"]


async def test_a_token_of_a_stream_made_anew_gets_the_whole(
    monitoring: Monitoring, watchers: list[Watcher]
) -> None:
    watcher = Watcher(monitoring, "12345678-7")
    watchers.append(watcher)

    async def whole() -> bool:
        return watcher.wholes == 1 and len(watcher.states) == POINTS

    assert await until(whole, within_s=10)


async def test_a_watch_ends_with_its_caller_s_token(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "HEARTBEAT_S", 0.1)
    CALLER.set(Caller("siti", "64.01", "64.01/viewer", NOON.timestamp()))
    told = watching.watch_statuses(monitoring.needs, WatchStatusesRequest(parent=REGION))
    with pytest.raises(Unauthenticated, match="expired"):
        async for part in told:
            assert part.is_snapshot or part.resume_token
