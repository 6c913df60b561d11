"""From an incident to the page of the local sink, by the route that a new stack begins with."""

from typing import Any

import httpx
import pytest
from common.caller import CALLER, SYSTEM
from common.events.event import event_of
from common.events.outbox import append
from common.postgres.database import open_database
from devstack.callers import http_caller
from devstack.default_route import ROUTE
from devstack.stack import Stack
from devstack.waiting import until
from smartcity.monitoring.v1.events_pb2 import IncidentOpened
from smartcity.monitoring.v1.incident_pb2 import Incident

NAME = f"regions/64.01/notificationRoutes/{ROUTE}"
TITLE = "Puskesmas Kuaro tidak terhubung"


@pytest.fixture
def sink(stack: Stack) -> str:
    """Give the sink's address."""
    return f"http://{stack.place.address('sink')}"


async def shown(sink: str) -> list[dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        found: list[dict[str, Any]] = (await client.get(f"{sink}/messages")).json()
        page = (await client.get(sink)).text
    assert all(one["title"] in page for one in found)
    return found


async def test_the_test_button_reaches_the_sink(api: httpx.AsyncClient, sink: str) -> None:
    answer = await api.post(f"/v1/{NAME}:test", json={})
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    assert result["delivered"]
    assert result["target"]["url"] == "json://127.0.0.1/***"
    assert "Uji coba" in [one["title"] for one in await shown(sink)]


async def test_an_incident_is_shown_by_the_sink(
    api: httpx.AsyncClient, stack: Stack, sink: str
) -> None:
    CALLER.set(SYSTEM)
    incident = Incident(
        name="regions/64.01/incidents/2026-9001",
        scope=Incident.POINT,
        title=TITLE,
        state=Incident.OPEN,
        priority=Incident.CRITICAL,
        point_count=1,
    )
    incident.start_time.GetCurrentTime()
    async with (
        open_database(stack.postgres.url("monitoring", "monitoring"), size=1) as database,
        database.transaction() as connection,
    ):
        await append(connection, [event_of(IncidentOpened(incident=incident), incident.name)])

    async def told() -> bool:
        return any(TITLE in one["message"] for one in await shown(sink))

    assert await until(told, within_s=60)
    query = {"incident": incident.name, "state": "SENT"}

    async def noted() -> bool:
        found = (await api.get("/v1/regions/64.01/deliveries", params=query)).json()
        return [one["kind"] for one in found["deliveries"]] == ["OPENED"]

    assert await until(noted, within_s=20)


async def test_a_viewer_reads_routes_and_changes_none(stack: Stack) -> None:
    async with http_caller(stack, "64.01/viewer") as viewer:
        assert (await viewer.get(f"/v1/{NAME}")).status_code == 200
        assert (await viewer.post(f"/v1/{NAME}:test", json={})).status_code == 403
        assert (await viewer.delete(f"/v1/{NAME}")).status_code == 403
    async with http_caller(stack, "64.09/operator") as neighbour:
        assert (await neighbour.get(f"/v1/{NAME}")).status_code == 403
