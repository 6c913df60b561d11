"""A backup beside writers, restored into a fresh folder: nothing is lost, nothing is doubled."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from devstack import commands
from devstack.backup.restoring import restore
from devstack.backup.taking import take
from devstack.callers import http_caller
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.state import StateFolder
from devstack.testing import StartStack, open_folder
from devstack.waiting import until

REGION = "regions/64.01"
POINTS = f"/v1/{REGION}/points"
VILLAGE = f"{REGION}/villages/64.01.06.2012"
CONTACT = {"displayName": "Budi Santoso", "phone": "081254321987"}
DRAFT = {"displayName": "Titik cadangan", "kind": "SCHOOL", "village": VILLAGE, "contact": CONTACT}
MEASURED = """
SELECT measure_time
  FROM measurements
 WHERE point_id = $1
"""
TOLD = """
SELECT resource, last_sequence
  FROM event_positions
 WHERE resource LIKE '%/points/%'
"""
HEARD = """
SELECT resource, last_sequence
  FROM inbox_positions
 WHERE consumer = 'monitoring-points' AND resource LIKE '%/points/%'
"""


@dataclass(slots=True)
class Writers:
    """What writes while the backup is taken, and what was acknowledged to it."""

    point: str
    over: asyncio.Event = field(default_factory=asyncio.Event)
    points: list[str] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)

    async def write_points(self, api: httpx.AsyncClient) -> None:
        """Create one point after the other."""
        for number in count():
            answer = await api.post(POINTS, params={"pointId": f"CAD-{number}"}, json=DRAFT)
            assert answer.status_code == 200, answer.text
            self.points.append(str(answer.json()["name"]))
            if self.over.is_set():
                return

    async def write_measurements(self, api: httpx.AsyncClient) -> None:
        """Report one measurement after the other, each a second later than the last."""
        start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
        for number in count():
            time = start + timedelta(seconds=number)
            await report(api, self.point, time, 5)
            self.times.append(time)
            if self.over.is_set():
                return


@pytest.fixture
def here(servers_folder: Path) -> Iterator[Path]:
    """Give a folder for backups and for what is restored from them."""
    folder = open_folder("backup-", servers_folder)
    yield folder
    shutil.rmtree(folder)


async def known_point(api: httpx.AsyncClient, **more: object) -> str:
    """Create a point in service and wait until monitoring has it."""
    name = str((await api.post(POINTS, json=DRAFT | more)).json()["name"])
    assert (await api.post(f"/v1/{name}:activate")).status_code == 200

    async def known() -> bool:
        return (await api.get(f"/v1/{name}/status")).status_code == 200

    assert await until(known, within_s=20)
    return name


async def report(api: httpx.AsyncClient, point: str, time: datetime, received: int) -> None:
    """Report a measurement; returns once the stream has it."""
    measured = {"point": point, "source": "router", "time": time.isoformat(), "method": "icmp"}
    measured |= {"packetsSent": 5, "packetsReceived": received}  # type: ignore[dict-item]
    url = f"/v1/{REGION}/measurements:report"
    answer = await api.post(url, json={"measurements": [measured]})
    assert answer.json().get("acceptedCount") == 1, answer.text


async def break_line(api: httpx.AsyncClient, point: str) -> str:
    """Report an outage of the point; return its incident."""
    now = datetime.now(UTC)
    for seconds, received in ((200, 5), (90, 0), (60, 0), (30, 0)):
        await report(api, point, now - timedelta(seconds=seconds), received)
    found: list[dict[str, Any]] = []

    async def opened() -> bool:
        answer = await api.get(f"/v1/{REGION}/incidents", params={"point": point})
        found[:] = answer.json().get("incidents", [])
        return bool(found)

    assert await until(opened, within_s=20)
    return str(found[0]["name"])


async def bury_one(stack: Stack) -> None:
    """Have the writer bury what is no measurement."""
    async with await nats.connect(stack.nats.url) as client:
        await client.jetstream().publish("telemetry.6401.0", b"\xff no measurement")

    async def buried() -> bool:
        return await dead_letters(stack) == 1

    assert await until(buried, within_s=20)


async def dead_letters(stack: Stack) -> int:
    async with await nats.connect(stack.nats.url) as client:
        return int((await client.jetstream().stream_info("DEAD")).state.messages)


async def what_is_seen(api: httpx.AsyncClient, point: str, incident: str) -> list[Any]:
    """Return what the console would show of the point that is down."""
    urls = (point, f"{point}:listChanges", f"{point}/stateIntervals", incident)
    answers = [await api.get(f"/v1/{url}") for url in (*urls, f"{incident}/entries")]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


async def positions(stack: Stack, database: str, query: str) -> dict[str, int]:
    async with stack.postgres.connect(database) as connection:
        return {row["resource"]: row["last_sequence"] for row in await connection.fetch(query)}


async def measured_times(stack: Stack, point: str) -> set[datetime]:
    async with stack.postgres.connect("monitoring") as connection:
        rows = await connection.fetch(MEASURED, point.rpartition("/")[2])
    return {row["measure_time"] for row in rows}


@pytest.mark.timeout(300)  # it starts two stacks
async def test_a_backup_beside_writers_is_restored_without_loss_or_doubles(
    fresh_stack: StartStack, here: Path
) -> None:
    stack = await fresh_stack()
    async with http_caller(stack, timeout_s=60) as api:
        down, writers = await known_point(api), Writers(await known_point(api))
        incident = await break_line(api, down)
        await bury_one(stack)
        seen = await what_is_seen(api, down, incident)
        assert seen[0]["contact"]["phone"].endswith("987")  # opened with its key, then masked
        writing = [asyncio.create_task(writers.write_points(api))]
        writing.append(asyncio.create_task(writers.write_measurements(api)))

        async def busy() -> bool:
            return min(len(writers.points), len(writers.times)) > 20

        assert await until(busy, within_s=60)
        points, times = list(writers.points), list(writers.times)
        await take(stack.state, here / "saved")
        writers.over.set()
        await asyncio.gather(*writing)
    assert len(writers.points) > len(points)
    target = here / "restored"
    await restore(here / "saved", None, StateFolder(target))
    fixed = {"port": 0, "state_folder": target, "durable": False, "network": "off"}
    settings = StackSettings.model_validate(fixed)
    async with Stack(settings) as again, http_caller(again, timeout_s=60) as api:
        assert await what_is_seen(api, down, incident) == seen
        await all_events_have_their_effect(again)
        listed = await created_points(api)
        assert set(points) <= listed <= set(writers.points)
        await all_times_are_there(again, writers, times)
        assert await dead_letters(again) == 1
        await commands.verify(settings)
        await report(api, await known_point(api), datetime.now(UTC), 5)
        later = datetime.now(UTC)
        for seconds in (2, 1, 0):
            await report(api, down, later - timedelta(seconds=seconds), 5)

        async def resolved() -> bool:
            return bool((await api.get(f"/v1/{incident}")).json()["state"] == "RESOLVED")

        assert await until(resolved, within_s=30)


async def all_events_have_their_effect(stack: Stack) -> None:
    """Wait until monitoring has heard all that the restored inventory tells of points."""

    async def heard() -> bool:
        told = await positions(stack, "inventory", TOLD)
        return bool(told) and await positions(stack, "monitoring", HEARD) == told

    assert await until(heard, within_s=60)


async def all_times_are_there(stack: Stack, writers: Writers, before: list[datetime]) -> None:
    async def written() -> bool:
        return set(before) <= await measured_times(stack, writers.point)

    assert await until(written, within_s=60)
    assert await measured_times(stack, writers.point) <= set(writers.times)


async def created_points(api: httpx.AsyncClient) -> set[str]:
    found, token = set(), ""
    while True:
        asked = {"query": "cad-", "pageSize": "1000", "pageToken": token}
        page = (await api.get(POINTS, params=asked)).json()
        found |= {str(point["name"]) for point in page["points"]}
        token = page.get("nextPageToken", "")
        if not token:
            return found
