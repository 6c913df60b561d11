"""How often the edge answers who brings no token."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from devstack.waiting import until
from google.rpc import error_details_pb2, status_pb2
from smartcity.inventory.v1 import inventory_service_pb2_grpc, point_pb2
from smartcity.monitoring.v1 import agent_pb2, monitoring_service_pb2_grpc

DEADLINE_S = 20
POINT = "/v1/regions/64.01/points/PSR-1"
AGENT = "/v1/regions/64.01/agents/a"
TOKEN = {"authorization": "bearer some.token"}
MORE_THAN_ALLOWED = 12


@pytest.fixture
async def gateway(upstream: Any, tmp_path: Path, start: Any) -> AsyncIterator[Any]:
    """A gateway that lets an address ask once a second; two services lie behind it."""
    upstreams = json.dumps({"inventory": upstream.address, "monitoring": upstream.address})
    running = await start(tmp_path, upstream.address, upstreams=upstreams, strangers_per_s="1")
    await running.wait_until(200, "/readyz/edge")
    yield running
    assert await running.stop() == 0


def client_of(gateway: Any, local: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(local_address=local)
    return httpx.AsyncClient(base_url=f"http://{gateway.http}", transport=transport, timeout=30)


async def refused(client: httpx.AsyncClient, path: str = POINT) -> httpx.Response:
    """Ask until the edge has had enough; return what it says then."""
    answers: list[httpx.Response] = []

    async def asked() -> bool:
        answers.append(await client.get(path))
        return answers[-1].status_code == 429

    assert await until(asked, DEADLINE_S)
    return answers[-1]


async def test_a_stranger_who_asks_too_often_is_told_in_the_contracts_form(gateway: Any) -> None:
    async with client_of(gateway) as client:
        answer = await refused(client)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers.get_list("retry-after") == ["1"]
        said = answer.json()
        assert said["code"] == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert said["details"][0]["reason"] == "TOO_MANY_REQUESTS"

        async def let_in() -> bool:
            return (await client.get(POINT)).status_code == 200

        assert await until(let_in, DEADLINE_S)


async def test_grpc_is_counted_too_and_refused_in_its_form(gateway: Any) -> None:
    async with grpc.aio.insecure_channel(gateway.http) as channel:
        stub = inventory_service_pb2_grpc.InventoryServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    await stub.GetPoint(point_pb2.GetPointRequest(name=POINT))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        packed = dict(caught.value.trailing_metadata() or ())["grpc-status-details-bin"]
        assert isinstance(packed, bytes)
        info = error_details_pb2.ErrorInfo()
        assert status_pb2.Status.FromString(packed).details[0].Unpack(info)
        assert (info.reason, info.domain) == ("TOO_MANY_REQUESTS", "gateway")


async def test_others_go_on_while_one_is_refused(gateway: Any) -> None:
    async with client_of(gateway) as flooding, client_of(gateway, "127.0.0.2") as other:
        await refused(flooding, "/docs")
        for _ in range(MORE_THAN_ALLOWED):
            assert (await flooding.get(POINT, headers=TOKEN)).status_code == 200
            assert (await flooding.get("/healthz")).status_code == 200
            assert (await flooding.get("/readyz/edge")).status_code == 200
        assert (await other.get(POINT)).status_code == 200
        # All at once, so that no second passes between the last two.
        told = await asyncio.gather(*(flooding.get(POINT) for _ in range(MORE_THAN_ALLOWED)))
        assert 429 in {answer.status_code for answer in told}


async def test_signed_batches_are_never_counted_and_enrolments_are(gateway: Any) -> None:
    async with client_of(gateway) as client, grpc.aio.insecure_channel(gateway.http) as channel:
        stub = monitoring_service_pb2_grpc.MonitoringServiceStub(channel)

        async def codes(word: str) -> set[int]:
            posts = (client.post(f"{AGENT}:{word}", json={}) for _ in range(MORE_THAN_ALLOWED))
            return {answer.status_code for answer in await asyncio.gather(*posts)}

        assert 429 in await codes("enrol")
        assert await codes("submit") == {501}  # nobody implements it here, but it got there
        assert await codes("submit?x=1") == {400}
        for _ in range(MORE_THAN_ALLOWED):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.SubmitBatch(agent_pb2.SubmitBatchRequest())
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("wrong", ["Basic c29tZTpib2R5", "bearer", ""])
async def test_another_scheme_is_no_token(gateway: Any, wrong: str) -> None:
    async with client_of(gateway) as client:
        client.headers["authorization"] = wrong
        await refused(client)


@pytest.mark.parametrize("path", ["/docs", "/readyz", "/", "/no/such/path"])
async def test_a_token_helps_nobody_who_asks_the_edge_itself(gateway: Any, path: str) -> None:
    async with client_of(gateway) as client:
        client.headers.update(TOKEN)
        await refused(client, path)
        assert (await client.get(POINT)).status_code == 200


async def test_what_was_refused_is_a_metric(gateway: Any) -> None:
    async with client_of(gateway) as client:
        await refused(client)

        async def told() -> bool:
            page = (await client.get(f"http://{gateway.metrics}/metrics")).text
            lines = [one for one in page.splitlines() if "_http_local_rate_limit_" in one]
            return any("strangers" in one and not one.endswith(" 0") for one in lines)

        assert await until(told, DEADLINE_S)
