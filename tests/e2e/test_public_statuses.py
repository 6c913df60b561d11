"""What anybody is told of points through the public port, without a token."""

import httpx
from devstack.stack import Stack
from devstack.waiting import until

DRAFT = {
    "displayName": "Balai Desa Belimbing",
    "kind": "OPD",
    "village": "regions/64.01/villages/64.01.06.2012",
    "address": "Jalan Rahasia 1",
}
STATUSES = "/v1/regions/64.01/statuses"


async def test_without_a_token_only_the_public_part_is_told(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    point = (await api.post("/v1/regions/64.01/points", json=DRAFT)).json()["name"]
    assert (await api.post(f"/v1/{point}:activate")).status_code == 200
    async with httpx.AsyncClient(base_url=stack.url) as stranger:
        told: list[dict[str, str]] = []

        async def known() -> bool:
            answer = await stranger.get(f"{STATUSES}:public", params={"pageSize": 1000})
            assert answer.status_code == 200, answer.text
            assert answer.headers["cache-control"] == "public, max-age=15"
            told[:] = answer.json()["publicStatuses"]
            assert point.rpartition("/")[2] not in answer.text
            return DRAFT["displayName"] in [one["displayName"] for one in told]

        assert await until(known, within_s=30)
        assert (await stranger.get(STATUSES)).status_code == 401
        assert (await stranger.get(f"{STATUSES}:watch")).status_code == 401
    assert {key for one in told for key in one} <= {"displayName", "state", "since"}
