"""Who may do what, through the public port: the walls of docs/security.md from outside."""

import json
from typing import Any

import grpc
import httpx
import pytest
from devstack.callers import grpc_caller, http_caller
from devstack.stack import Stack
from devstack.waiting import until
from google.protobuf.message import Message
from smartcity.inventory.v1 import inventory_service_pb2_grpc, point_pb2, point_transfer_pb2

POINTS = "/v1/regions/64.01/points"
KEC = f"{POINTS}/KEC-64.01.01"
DRAFT = {"displayName": "Titik", "kind": "OPD", "district": "regions/64.01/districts/64.01.04"}
UNKNOWN = "regions/64.01/villages/64.01.06.9999"
POSING = {
    "x-forwarded-user": "admin",
    "x-envoy-internal": "true",
    "x-jwt-payload": "eyJncm91cHMiOlsiKi9hZG1pbiJdfQ",
    "principal": "admin",
    "groups": "*/admin",
}


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["details"][0]["reason"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        POSING,
        {"authorization": "Basic YWRtaW46YWRtaW4="},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJncm91cHMiOlsiKi9hZG1pbiJdfQ."},
        {"authorization": f"Bearer {'x' * 20_000}"},
    ],
)
async def test_without_a_believable_token_nothing_is_answered(
    stack: Stack, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(base_url=stack.url, headers=headers) as client:
        for answer in (
            await client.get("/v1/regions"),
            await client.get(f"{POINTS}:export", params={"format": "CSV"}),
            await client.post(POINTS, json=DRAFT),
            await client.post(f"{POINTS}:import", content=b"x"),
        ):
            assert answer.status_code == 401, answer.text
            assert reason(answer) == "UNAUTHENTICATED"


async def test_a_token_of_100_kilobytes_does_not_get_past_the_edge(stack: Stack) -> None:
    headers = {"authorization": f"Bearer {'x' * 100_000}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers) as client:
        assert (await client.get("/v1/regions")).status_code == 431


async def test_a_role_may_do_what_its_permissions_say(stack: Stack) -> None:
    async with http_caller(stack, "64.01/viewer") as viewer:
        assert (await viewer.get(KEC)).status_code == 200
        for answer in (
            await viewer.post(POINTS, json=DRAFT),
            await viewer.delete(KEC),
            await viewer.post(f"{POINTS}:import", content=b"x"),
        ):
            assert (answer.status_code, reason(answer)) == (403, "PERMISSION_DENIED")
    async with http_caller(stack, "64.01/agent") as agent:
        assert (await agent.get("/v1/regions")).status_code == 200
        assert (await agent.get(KEC)).status_code == 403


async def test_another_region_does_not_tell_what_it_has(stack: Stack) -> None:
    async with http_caller(stack, "64.09/admin") as neighbour:
        there, nowhere = await neighbour.get(KEC), await neighbour.get(f"{POINTS}/NO-SUCH")
        assert (there.status_code, nowhere.status_code) == (403, 403)
        assert there.json() == nowhere.json()
        for path in ("regions/*", "regions/-", "regions/64.01%2F..%2F64.09"):
            answer = await neighbour.get(f"/v1/{path}/points")
            assert answer.status_code in (400, 403, 404), path
    async with http_caller(stack, "*/admin") as platform:
        assert (await platform.get(KEC)).status_code == 200


async def test_a_check_of_json_tells_a_stranger_nothing(stack: Stack) -> None:
    """The gateway asks the service about a wrong body; the caller's own token answers that."""
    wrong = {"displayName": "Titik", "kind": "OPDX", "village": UNKNOWN}
    async with http_caller(stack, "64.09/operator") as neighbour:
        answer = (await neighbour.post(POINTS, json=wrong)).json()
    assert "kind" in str(answer)
    assert UNKNOWN not in str(answer)
    async with http_caller(stack) as operator:
        answer = (await operator.post(POINTS, json=wrong)).json()
    assert UNKNOWN in str(answer)


CALLS: dict[str, Message] = {
    "GetPoint": point_pb2.GetPointRequest(name="regions/64.01/points/KEC-64.01.01"),
    "ExportPoints": point_transfer_pb2.ExportPointsRequest(
        parent="regions/64.01", format=point_transfer_pb2.CSV
    ),
}


@pytest.mark.parametrize("method", CALLS)
async def test_unary_and_streaming_calls_are_refused_alike(stack: Stack, method: str) -> None:
    async with grpc.aio.insecure_channel(stack.place.public_address) as channel:
        assert await code(channel, method) == grpc.StatusCode.UNAUTHENTICATED
    async with grpc_caller(stack, "64.09/admin") as channel:
        assert await code(channel, method) == grpc.StatusCode.PERMISSION_DENIED
    async with grpc_caller(stack, "64.01/viewer") as channel:
        assert await code(channel, method) == grpc.StatusCode.OK


async def code(channel: grpc.aio.Channel, method: str) -> grpc.StatusCode:
    stub: Any = inventory_service_pb2_grpc.InventoryServiceStub(channel)
    call = getattr(stub, method)(CALLS[method])
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_the_log_tells_who_was_refused_and_what_was_changed(stack: Stack) -> None:
    async with http_caller(stack, "64.01/viewer") as viewer:
        refused = await viewer.patch(KEC, json={"displayName": "x"})
    assert refused.status_code == 403
    trace_id = refused.headers["x-trace-id"]
    found: list[dict[str, Any]] = []

    async def logged() -> bool:
        lines = (stack.state.logs / "inventory.log").read_text().splitlines()
        found[:] = [json.loads(line) for line in lines if trace_id in line]
        return bool(found)

    assert await until(logged, within_s=10)
    told = {name: found[0][name] for name in ("principal", "code", "resource", "region")}
    assert told == {
        "principal": "local:64.01/viewer",
        "code": "PERMISSION_DENIED",
        "resource": KEC.removeprefix("/v1/"),
        "region": "64.01",
    }
