"""From a packet to a status: real listeners, a real prober, and what it must survive."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from common.errors import ServiceError
from devstack.ports import free_ports
from devstack.testing import Outsiders
from devstack.waiting import until
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.run_prober import ProberOptions, run_prober
from monitoring.operations.run_writer import keep_days, run_writer
from monitoring.testing import POINTS, REGION, Monitoring
from probes.stamp_reflector import reflector
from probes.target import Kind, Target
from prometheus_client import REGISTRY
from smartcity.monitoring.v1 import check_pb2, status_pb2
from smartcity.monitoring.v1.check_pb2 import Check

State = status_pb2.State
STORED = """
SELECT measure_time, packets_sent, packets_received, attempts_ms, method
  FROM measurements
 WHERE point_id = $1
 ORDER BY measure_time
"""
HELD = """
SELECT prober_id, count(*) AS leases
  FROM prober_leases
 WHERE prober_id IS NOT NULL AND held_until > now()
 GROUP BY prober_id
"""
ANCHOR = "127.64.9.9"


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0


@dataclass
class Field:
    """Points with a listener and a check each, a writer, and probers, all by the real clock."""

    monitoring: Monitoring
    needs: Dependencies
    port: int
    dead: set[str] = field(default_factory=set)
    """Ids of points whose listeners do not answer."""
    anchor_is_dead: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def probe(self, *anchors: Target) -> asyncio.Task[None]:
        options = ProberOptions(anchors, stamp_port=self.port)
        self.tasks.append(asyncio.create_task(run_prober(self.needs, options)))
        return self.tasks[-1]

    async def check(self, number: int, **changes: Any) -> Check:
        given: dict[str, Any] = {"packets": 2, "spacing_ms": 20, "timeout_ms": 200, "interval_s": 1}
        check = Check(kind=Check.STAMP, address=address(number), **given | changes)
        request = check_pb2.CreateCheckRequest(
            parent=f"{REGION}/points/P-{number}", check_id="line", check=check
        )
        return await self.monitoring.stub.CreateCheck(request)

    async def comes_to(self, number: int, state: "State.ValueType", within_s: float = 40) -> bool:
        async def so() -> bool:
            return (await self.monitoring.status(number)).state == state

        return await until(so, within_s)

    async def stored(self, number: int) -> list[Any]:
        async with self.needs.database.read() as connection:
            return list(await connection.fetch(STORED, f"P-{number}"))

    async def has_more(self, number: int, count: int = 3, within_s: float = 40) -> bool:
        """Tell whether some more measurements of a point come."""
        before = len(await self.stored(number))

        async def so() -> bool:
            return len(await self.stored(number)) >= before + count

        return await until(so, within_s)

    async def all_have_more(self) -> bool:
        """Tell whether some more measurements of all points come."""
        return all(await asyncio.gather(*map(self.has_more, range(POINTS))))

    async def gaps(self, number: int) -> set[timedelta]:
        """Return the different distances between measurements of a point that follow each other."""
        times = [row["measure_time"] for row in await self.stored(number)]
        return {later - earlier for earlier, later in pairwise(times)}

    async def held(self) -> list[int]:
        """Return how many partitions each prober holds."""
        async with self.needs.database.read() as connection:
            return sorted(row["leases"] for row in await connection.fetch(HELD))


def address(number: int) -> str:
    return f"127.64.3.{number + 1}"


@pytest.fixture
async def ground(monitoring: Monitoring) -> AsyncIterator[Field]:
    needs = Dependencies(monitoring.database, monitoring.bus)
    await keep_days(needs)
    async with AsyncExitStack() as listeners:
        made = Field(monitoring, needs, port=0)

        def line(number: int) -> Callable[[bytes], float | None]:
            return lambda _: None if f"P-{number}" in made.dead else 0.005

        def anchor(_: bytes) -> float | None:
            return None if made.anchor_is_dead else 0.0

        made.port = await listeners.enter_async_context(reflector(ANCHOR, 0, anchor))
        for number in range(POINTS):
            await listeners.enter_async_context(reflector(address(number), made.port, line(number)))
        made.tasks.append(asyncio.create_task(run_writer(needs)))
        yield made
        for task in made.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_listener_switched_off_and_on_is_down_and_up(ground: Field) -> None:
    await ground.check(0)
    ground.probe(Target(Kind.STAMP, ANCHOR, ground.port, packets=2, timeout_s=1.0))
    assert await ground.comes_to(0, State.UP)
    ground.dead.add("P-0")
    assert await ground.comes_to(0, State.DOWN)
    ground.dead.clear()
    assert await ground.comes_to(0, State.UP)
    rows = await ground.stored(0)
    assert {row["method"] for row in rows} == {"stamp"}
    assert rows[0]["packets_received"] == 2
    assert all(attempt >= 0 for attempt in rows[0]["attempts_ms"])
    silent = next(row for row in rows if not row["packets_received"])
    assert silent["attempts_ms"] == [None, None]


async def test_measurements_come_at_their_moments_and_none_is_left_out(ground: Field) -> None:
    await ground.check(0)
    ground.probe()
    assert await ground.has_more(0, 6)
    assert await ground.gaps(0) == {timedelta(seconds=1)}


async def test_a_change_to_a_check_is_followed(ground: Field) -> None:
    made = await ground.check(0, packets=1)
    ground.probe()
    assert await ground.has_more(0, 1)
    change = check_pb2.UpdateCheckRequest(check=Check(name=made.name, packets=3))
    await ground.monitoring.stub.UpdateCheck(change)

    async def three() -> bool:
        return bool((await ground.stored(0))[-1]["packets_sent"] == 3)

    assert await until(three, within_s=20)


async def test_only_active_points_and_checks_that_do_not_rest_are_asked(ground: Field) -> None:
    async with ground.needs.database.transaction() as connection:
        await connection.execute("UPDATE points SET state = 'SUSPENDED' WHERE point_id = 'P-1'")
    for number in range(3):
        await ground.check(number, paused=number == 2)
    ground.probe()
    assert await ground.has_more(0)
    assert (await ground.stored(1), await ground.stored(2)) == ([], [])
    async with ground.needs.database.transaction() as connection:
        await connection.execute("UPDATE points SET state = 'ACTIVE' WHERE point_id = 'P-1'")
    assert await ground.has_more(1)


async def test_while_no_anchor_answers_no_point_is_called_down(ground: Field) -> None:
    await ground.check(0)
    ground.probe(Target(Kind.STAMP, ANCHOR, ground.port, packets=1, timeout_s=0.3))
    assert await ground.comes_to(0, State.UP)
    withheld = metric("smartcity_prober_withheld_total")
    ground.anchor_is_dead = True
    ground.dead.add("P-0")

    async def cut_off() -> bool:
        return metric("smartcity_prober_withheld_total") >= withheld + 5

    assert await until(cut_off, within_s=40)
    assert metric("smartcity_prober_cut_off") == 1
    ground.anchor_is_dead = False
    ground.dead.clear()
    assert await ground.has_more(0)
    assert metric("smartcity_prober_cut_off") == 0
    assert all(row["packets_received"] == 2 for row in await ground.stored(0))
    assert (await ground.monitoring.intervals(0))[0][0] == "UP"
    assert len(await ground.monitoring.intervals(0)) == 1


async def test_what_was_seen_while_the_bus_was_away_is_reported_when_it_is_back(
    ground: Field,
) -> None:
    await ground.check(0)
    ground.probe()
    assert await ground.has_more(0)
    await ground.monitoring.nats.stop()

    async def waiting() -> bool:
        return metric("smartcity_prober_buffered") >= 4

    assert await until(waiting, within_s=40)
    await ground.monitoring.nats.start()
    assert await ground.has_more(0, 8)
    assert await ground.gaps(0) == {timedelta(seconds=1)}


async def test_a_database_that_is_away_stops_no_probing(
    ground: Field, postgres_server: Any
) -> None:
    await ground.check(0)
    ground.probe()
    assert await ground.has_more(0)
    os.kill(postgres_server.child.pid, signal.SIGKILL)

    async def back() -> bool:
        with suppress(ServiceError):
            return await ground.has_more(0, 3, within_s=5)
        return False

    assert await until(back, within_s=60)
    assert await ground.gaps(0) == {timedelta(seconds=1)}


async def test_two_probers_share_the_partitions_and_one_that_leaves_is_followed_at_once(
    ground: Field,
) -> None:
    for number in range(POINTS):
        await ground.check(number)
    first, _ = ground.probe(), ground.probe()

    async def shared() -> bool:
        return await ground.held() == [4, 4]

    assert await until(shared, within_s=30)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    assert await ground.held() in ([4], [8])

    async def taken_over() -> bool:
        return await ground.held() == [8]

    assert await until(taken_over, within_s=30)
    assert await ground.all_have_more()


@pytest.fixture
def prober_process(
    ground: Field, outside: Outsiders, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Awaitable[Any]]:
    """Give the function that starts a prober as a process of its own."""
    monkeypatch.setenv("SMARTCITY_DATABASE_URL", ground.monitoring.made.url)
    monkeypatch.setenv("SMARTCITY_NATS_URL", ground.monitoring.nats.url)
    monkeypatch.setenv("SMARTCITY_STAMP_PORT", str(ground.port))

    async def start() -> Any:
        monkeypatch.setenv("SMARTCITY_METRICS_ADDRESS", f"127.0.0.1:{free_ports(1)[0]}")
        return await outside("-m", "monitoring", "probe")

    return start


async def test_a_prober_that_is_killed_is_followed_within_seconds(
    ground: Field, prober_process: Callable[[], Awaitable[Any]]
) -> None:
    for number in range(POINTS):
        await ground.check(number)
    killed, other = await prober_process(), await prober_process()

    async def shared() -> bool:
        return await ground.held() == [4, 4]

    assert await until(shared, within_s=60)
    await killed.end(signal.SIGKILL)

    async def taken_over() -> bool:
        return await ground.held() == [8]

    assert await until(taken_over, within_s=30)
    assert await ground.all_have_more()
    for number in range(POINTS):
        phases = {row["measure_time"].microsecond for row in await ground.stored(number)}
        assert len(phases) == 1
    assert await other.end(signal.SIGTERM) == 0
    assert await ground.held() == []
