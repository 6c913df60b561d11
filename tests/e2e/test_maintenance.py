"""From a provider's request over HTTP to a point in MAINTENANCE on the command centre's screen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.waiting import until

REGION = "regions/64.01"
DRAFT = {"displayName": "Titik", "kind": "SCHOOL", "village": f"{REGION}/villages/64.01.06.2012"}


async def active_point(api: httpx.AsyncClient) -> str:
    """Return a new active point that monitoring knows."""
    name = str((await api.post(f"/v1/{REGION}/points", json=DRAFT)).json()["name"])
    assert (await api.post(f"/v1/{name}:activate")).status_code == 200

    async def known() -> bool:
        return (await api.get(f"/v1/{name}/status")).status_code == 200

    assert await until(known, within_s=20)
    return name


def request_for(point: str) -> dict[str, Any]:
    now = datetime.now(UTC).replace(microsecond=0)
    return {
        "title": "Migrasi FO",
        "reason": "kabel baru",
        "points": [point],
        "startTime": (now - timedelta(minutes=1)).isoformat(),
        "endTime": (now + timedelta(hours=1)).isoformat(),
    }


async def test_a_provider_requests_the_regency_approves_and_the_point_is_in_maintenance(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    point = await active_point(api)
    async with (
        http_caller(stack, "64.01/provider") as provider,
        http_caller(stack, "64.01/approver") as approver,
        http_caller(stack, "64.01/viewer") as viewer,
    ):
        windows, body = f"/v1/{REGION}/maintenanceWindows", request_for(point)
        assert (await viewer.post(windows, json=body)).status_code == 403
        assert (await approver.post(windows, json=body)).status_code == 403
        asked = (await provider.post(windows, json=body)).json()
        window = f"/v1/{asked['name']}"
        assert asked["state"] == "REQUESTED"
        assert (await provider.post(f"{window}:approve", json={})).status_code == 403
        assert (await viewer.get(f"/v1/{point}/status")).json()["state"] == "UNKNOWN"
        decided = await approver.post(f"{window}:approve", json={"etag": asked["etag"]})
        assert (decided.status_code, decided.json()["state"]) == (200, "APPROVED")
        shown = (await viewer.get(f"/v1/{point}/status")).json()
        assert (shown["state"], shown["measuredState"]) == ("MAINTENANCE", "UNKNOWN")
        called_off = await provider.post(f"{window}:cancel", json={"explanation": "hujan"})
        assert called_off.json()["state"] == "CANCELLED"
        assert (await viewer.get(f"/v1/{point}/status")).json()["state"] == "UNKNOWN"
        changes = (await viewer.get(f"{window}:listChanges")).json()["changes"]
        assert [change["action"] for change in changes] == ["cancel", "approve", "create"]


async def test_an_operator_does_not_approve_their_own_request(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    asked = await api.post(
        f"/v1/{REGION}/maintenanceWindows", json=request_for(await active_point(api))
    )
    refused = await api.post(f"/v1/{asked.json()['name']}:approve", json={})
    assert refused.status_code == 403
    assert "local:64.01/operator requested it" in refused.text
    async with http_caller(stack, "64.01/admin") as another:
        approved = await another.post(f"/v1/{asked.json()['name']}:approve", json={})
    assert approved.status_code == 200
