"""From a measurement over HTTP to the status that the command centre reads."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.testing import StartStack
from devstack.waiting import until

REGION = "regions/64.01"
DRAFT = {"displayName": "Titik", "kind": "SCHOOL", "village": f"{REGION}/villages/64.01.06.2012"}


@pytest.fixture
async def point(api: httpx.AsyncClient) -> str:
    """Give an active point that monitoring knows."""
    created = await api.post(f"/v1/{REGION}/points", json=DRAFT)
    name = str(created.json()["name"])
    assert (await api.post(f"/v1/{name}:activate")).status_code == 200

    async def known() -> bool:
        return (await api.get(f"/v1/{name}/status")).status_code == 200

    assert await until(known, within_s=20)
    return name


def measurement(point: str, seconds_ago: float, received: int) -> dict[str, Any]:
    time = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return {
        "point": point,
        "source": "router",
        "time": time.isoformat(),
        "packetsSent": 5,
        "packetsReceived": received,
        "method": "icmp",
    }


async def report(api: httpx.AsyncClient, *measurements: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(
        f"/v1/{REGION}/measurements:report", json={"measurements": measurements}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def becomes(api: httpx.AsyncClient, point: str, state: str) -> bool:
    async def so() -> bool:
        return bool((await api.get(f"/v1/{point}/status")).json()["state"] == state)

    return await until(so, within_s=20)


async def test_a_router_s_measurements_become_the_status_of_its_point(
    api: httpx.AsyncClient, point: str
) -> None:
    assert await becomes(api, point, "UNKNOWN")
    answer = await report(api, measurement(point, 200, 5), measurement(f"{REGION}/points/X", 1, 5))
    assert answer["acceptedCount"] == 1
    assert [one["reason"] for one in answer["rejections"]] == ["POINT_UNKNOWN"]
    assert await becomes(api, point, "UP")
    await report(api, *(measurement(point, 90 - 30 * n, 0) for n in range(3)))
    assert await becomes(api, point, "DOWN")
    intervals = (await api.get(f"/v1/{point}/stateIntervals")).json()["stateIntervals"]
    assert [one["state"] for one in intervals] == ["UP", "DOWN"]
    assert intervals[0]["endTime"] == intervals[1]["startTime"]
    listed = (await api.get(f"/v1/{REGION}/statuses?state=DOWN&kind=SCHOOL")).json()
    assert listed["counts"] == {"DOWN": listed["totalSize"]}
    assert point in [one["point"] for one in listed["statuses"]]


async def test_a_history_and_an_export_hold_what_was_reported(
    api: httpx.AsyncClient, point: str
) -> None:
    await report(api, *(measurement(point, 60 * n, 5 - n) for n in range(4)))
    url = f"/v1/{point}/measurements:query"
    query = {"step": "3600s", "figure": ["LOSS"], "expectedInterval": "60s", "source": "router"}

    async def all_of_them() -> bool:
        buckets = (await api.get(url, params=query)).json()["buckets"]
        return sum(int(bucket["count"]) for bucket in buckets) == 4

    assert await until(all_of_them, within_s=20)
    buckets = (await api.get(url, params=query)).json()["buckets"]
    assert buckets[0]["missingShare"] == 1
    assert buckets[0]["figures"] == []
    losses = [figure for bucket in buckets for figure in bucket["figures"]]
    assert {figure["figure"] for figure in losses} == {"LOSS"}
    assert max(figure["max"] for figure in losses) == pytest.approx(0.6)
    refused = await api.get(url, params={"step": "61s"})
    assert refused.status_code == 400
    exported = await api.get(f"/v1/{point}/measurements:export")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    named = f'attachment; filename="measurements-{point.rpartition("/")[2]}.csv"'
    assert exported.headers["content-disposition"] == named
    assert len(exported.text.splitlines()) == 5


async def test_a_viewer_may_look_and_not_report(stack: Stack, point: str) -> None:
    async with http_caller(stack, "64.01/viewer") as viewer:
        assert (await viewer.get(f"/v1/{point}/status")).status_code == 200
        body = {"measurements": [measurement(point, 1, 5)]}
        answer = await viewer.post(f"/v1/{REGION}/measurements:report", json=body)
        assert answer.status_code == 403
    async with http_caller(stack, "64.09/admin") as neighbour:
        assert (await neighbour.get(f"/v1/{point}/status")).status_code == 403


async def test_two_replicas_of_monitoring_write_every_measurement_once(
    fresh_stack: StartStack,
) -> None:
    stack = await fresh_stack(replicas=2)
    async with http_caller(stack) as api:
        name = str((await api.post(f"/v1/{REGION}/points", json=DRAFT)).json()["name"])
        await api.post(f"/v1/{name}:activate")

        async def known() -> bool:
            return (await api.get(f"/v1/{name}/status")).status_code == 200

        assert await until(known, within_s=20)
        for start in range(0, 300, 30):
            await report(api, *(measurement(name, start + n, 5) for n in range(30)))

        async def all_written() -> bool:
            async with stack.postgres.connect("monitoring") as connection:
                count = await connection.fetchval("SELECT count(*) FROM measurements")
            return bool(count == 300)

        assert await until(all_written, within_s=20)
        assert await becomes(api, name, "UP")


async def test_a_console_watches_over_server_sent_events(
    api: httpx.AsyncClient, point: str
) -> None:
    async with api.stream("GET", f"/v1/{REGION}/statuses:watch", timeout=30) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        parts = (json.loads(line[5:]) async for line in answer.aiter_lines() if line[:5] == "data:")
        async for part in parts:
            if not part["isSnapshot"]:
                break
        await report(api, measurement(point, 1, 5))
        async for part in parts:
            if (point, "UP") in [(one["point"], one["state"]) for one in part["statuses"]]:
                break
        else:
            pytest.fail("the stream ended before it told of the point")
    assert part["resumeToken"]


async def test_an_outage_becomes_an_incident_that_people_answer(
    api: httpx.AsyncClient, stack: Stack, point: str
) -> None:
    await report(api, measurement(point, 200, 5))
    await report(api, *(measurement(point, 90 - 30 * n, 0) for n in range(3)))
    found: list[dict[str, Any]] = []

    async def opened() -> bool:
        answer = await api.get(f"/v1/{REGION}/incidents", params={"point": point})
        found[:] = answer.json().get("incidents", [])
        return bool(found)

    assert await until(opened, within_s=20)
    name = found[0]["name"]
    assert (found[0]["state"], found[0]["scope"], found[0]["title"]) == ("OPEN", "POINT", "Titik")
    answered = await api.post(f"/v1/{name}:acknowledge", json={"assignee": "budi"})
    assert answered.json()["state"] == "ACKNOWLEDGED"
    async with http_caller(stack, "64.01/provider") as provider:
        comment = await provider.post(f"/v1/{name}:comment", json={"text": "kabel putus"})
        assert comment.status_code == 200
        assert (await provider.post(f"/v1/{name}:resolve", json={"text": "?"})).status_code == 403
    await report(api, *(measurement(point, 3 - n, 5) for n in range(3)))

    async def resolved() -> bool:
        return bool((await api.get(f"/v1/{name}")).json()["state"] == "RESOLVED")

    assert await until(resolved, within_s=20)
    entries = (await api.get(f"/v1/{name}/entries")).json()["incidentEntries"]
    assert [one["action"] for one in entries] == [
        "OPENED",
        "ACKNOWLEDGED",
        "COMMENTED",
        "RESOLVED",
    ]
