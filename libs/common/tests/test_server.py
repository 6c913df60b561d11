"""The chassis' server in a process of its own, called through a real channel."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from common.rpc.refusals import Refusal, refusal_of
from devstack.ports import free_ports
from devstack.waiting import until
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from smartcity.inventory.v1 import inventory_service_pb2_grpc, point_pb2

SERVICE = "smartcity.inventory.v1.InventoryService"
STATES = health_pb2.HealthCheckResponse


@dataclass
class Serving:
    process: Process
    channel: grpc.aio.Channel
    metrics: str
    folder: Path

    async def get(self, point_id: str, **more: Any) -> point_pb2.Point:
        stub: Any = inventory_service_pb2_grpc.InventoryServiceStub(self.channel)
        name = f"regions/64.01/points/{point_id}"
        answer: point_pb2.Point = await stub.GetPoint(point_pb2.GetPointRequest(name=name), **more)
        return answer

    async def refused(self, point_id: str, **more: Any) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await self.get(point_id, **more)
        return refusal_of(failed.value)

    async def health(self, service: str = SERVICE) -> int:
        stub: Any = health_pb2_grpc.HealthStub(self.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        return int(answer.status)

    async def becomes(self, state: int) -> bool:
        async def is_so() -> bool:
            return await self.health() == state

        return await until(is_so, within_s=10)


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    async with running(tmp_path) as one:
        yield one


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Serving]:
    """Give a service that asks for tokens of an issuer that is away."""
    async with running(
        tmp_path, SMARTCITY_IDENTITY="required", SMARTCITY_OIDC_ISSUER="http://127.0.0.1:9"
    ) as one:
        yield one


@asynccontextmanager
async def running(tmp_path: Path, **more: str) -> AsyncIterator[Serving]:
    grpc_port, metrics_port = free_ports(2)
    settings = {
        "SMARTCITY_GRPC_ADDRESS": f"127.0.0.1:{grpc_port}",
        "SMARTCITY_METRICS_ADDRESS": f"127.0.0.1:{metrics_port}",
        "SMARTCITY_MAX_CALL_S": "1",
        "SMARTCITY_IDENTITY": "off",
        "SMARTCITY_FOLDER": str(tmp_path),
    }
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("serving.py")),
            env=os.environ | settings | more,
            stdout=log,
            stderr=log,
        )
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}")
    await asyncio.wait_for(channel.channel_ready(), 20)
    yield Serving(process, channel, f"http://127.0.0.1:{metrics_port}/metrics", tmp_path)
    await channel.close()
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_a_call_in_flight_is_answered_before_the_server_ends(serving: Serving) -> None:
    assert await serving.becomes(STATES.SERVING)
    call = asyncio.create_task(serving.get("WAITS"))
    assert await until(_is_there(serving.folder / "arrived"), within_s=10)
    serving.process.send_signal(signal.SIGTERM)
    assert await until(_is_logged(serving, "draining"), within_s=10)
    (serving.folder / "released").touch()
    assert (await call).name.endswith("WAITS")
    assert await asyncio.wait_for(serving.process.wait(), 15) == 0


async def test_health_follows_the_probe_for_each_service_and_overall(serving: Serving) -> None:
    assert await serving.becomes(STATES.SERVING)
    assert await serving.health("") == STATES.SERVING
    (serving.folder / "unable").touch()
    assert await serving.becomes(STATES.NOT_SERVING)
    assert await serving.health("") == STATES.NOT_SERVING


async def test_a_call_is_ended_by_its_own_deadline_or_the_servers(serving: Serving) -> None:
    mine = await serving.refused("HANGS", timeout=0.2)
    servers = await serving.refused("HANGS")
    assert {mine.code, servers.code} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    assert servers.reason == "DEADLINE_EXCEEDED"


async def test_a_fault_is_told_by_its_number_and_nothing_more(serving: Serving) -> None:
    refusal = await serving.refused("FAILS")
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hush" not in refusal.message
    assert await until(_is_logged(serving, refusal.metadata["call_id"]), within_s=5)


async def test_a_name_of_another_form_is_refused_before_the_method_runs(serving: Serving) -> None:
    refusal = await serving.refused("a b")
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal.fields) == ["name"]


async def test_calls_are_counted_by_method_and_code(serving: Serving) -> None:
    await serving.get("A")
    await serving.refused("GONE")
    async with httpx.AsyncClient() as client:
        text = (await client.get(serving.metrics)).text
    series = f'grpc_server_handled_total{{code="%s",method="GetPoint",service="{SERVICE}"}} 1.0'
    assert series % "OK" in text
    assert series % "NOT_FOUND" in text


async def test_each_call_is_one_line_of_the_log(serving: Serving) -> None:
    await serving.refused("GONE")
    assert await until(_is_logged(serving, '"NOT_FOUND"'), within_s=5)
    lines = (serving.folder / "log").read_text().splitlines()
    assert len([line for line in lines if "regions/64.01/points/GONE" in line]) == 1


async def test_without_a_token_nobody_gets_in_when_identity_is_on(guarded: Serving) -> None:
    refusal = await guarded.refused("A")
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "UNAUTHENTICATED",
    )
    pretended = [("x-forwarded-user", "admin"), ("x-envoy-peer-metadata", "admin")]
    refusal = await guarded.refused("A", metadata=pretended)
    assert refusal.code == grpc.StatusCode.UNAUTHENTICATED
    assert await guarded.becomes(STATES.SERVING)  # health asks nobody who they are


async def test_reflection_lists_the_service(serving: Serving) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(serving.channel)  # type: ignore[arg-type]
    call = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    )
    names = [s.name async for answer in call for s in answer.list_services_response.service]
    assert SERVICE in names


def _is_there(path: Path) -> Any:
    async def condition() -> bool:
        return path.exists()

    return condition


def _is_logged(serving: Serving, text: str) -> Any:
    async def condition() -> bool:
        return text in (serving.folder / "log").read_text()

    return condition


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "SMARTCITY_OIDC_ISSUER: must be the URL"),
        ({"SMARTCITY_OIDC_ISSUER": "http://keycloak.example"}, "SMARTCITY_OIDC_ISSUER:"),
        ({"SMARTCITY_IDENTITY": "maybe"}, "SMARTCITY_IDENTITY:"),
        ({"SMARTCITY_IDENTITY": "off", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "must not be off"),
        (
            {"SMARTCITY_IDENTITY": "off", "SMARTCITY_OIDC_ISSUER": "https://kc.example"},
            "must not be off",
        ),
        ({"SMARTCITY_OIDC_ISSUER": "https://"}, "SMARTCITY_OIDC_ISSUER:"),
        ({"SMARTCITY_OIDC_ISSUER": "https://u:p@kc.example"}, "SMARTCITY_OIDC_ISSUER:"),
        ({"SMARTCITY_OIDC_AUDIENCE": ""}, "SMARTCITY_OIDC_AUDIENCE:"),
    ],
)
async def test_a_service_that_would_let_everybody_in_does_not_start(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("serving.py")),
        env=os.environ | {"SMARTCITY_FOLDER": str(tmp_path)} | settings,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert errors.decode().startswith("wrong setting: ")
    assert said in errors.decode()
