"""How the gateway starts, drains and ends, and that its Envoy never outlives it."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

DEADLINE_S = 20
POINTS = "/v1/regions/64.01/points"


@pytest.fixture
async def own(upstream: Any, tmp_path: Path, start: Any) -> Any:
    """A gateway for one test, which may end it."""
    running = await start(tmp_path, upstream.address)
    await running.wait_until(200)
    yield running
    if running.process.returncode is None:
        running.process.send_signal(signal.SIGCONT)
        running.process.kill()
    await running.process.wait()


def envoy_of(gateway: Any) -> psutil.Process:
    [envoy] = psutil.Process(gateway.process.pid).children()
    return envoy


async def gone(process: psutil.Process) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_everything_and_leaves_no_file(
    own: Any, number: signal.Signals
) -> None:
    envoy = envoy_of(own)
    own.process.send_signal(number)
    assert await asyncio.wait_for(own.process.wait(), DEADLINE_S) == 0
    assert not envoy.is_running()
    assert [path.name for path in own.state_folder.iterdir()] == ["log"]


async def test_a_request_in_flight_is_answered_before_the_end(own: Any, upstream: Any) -> None:
    inventory = upstream.inventory
    async with httpx.AsyncClient(base_url=f"http://{own.http}", timeout=DEADLINE_S) as client:
        request = asyncio.create_task(client.get(f"{POINTS}/WAITS"))
        await asyncio.wait_for(inventory.arrived.wait(), DEADLINE_S)
        own.process.send_signal(signal.SIGTERM)
        await own.wait_until(503)
        inventory.released.set()
        assert (await request).status_code == 200
    assert await asyncio.wait_for(own.process.wait(), DEADLINE_S) == 0


async def test_a_killed_gateway_leaves_no_envoy(own: Any) -> None:
    envoy = envoy_of(own)
    own.process.kill()
    await gone(envoy)


async def test_a_dead_envoy_ends_the_gateway_with_an_error(own: Any) -> None:
    envoy_of(own).kill()
    assert await asyncio.wait_for(own.process.wait(), DEADLINE_S) == 1
    assert "envoy ended by itself" in (own.state_folder / "log").read_text()


async def test_without_the_check_no_body_passes(own: Any) -> None:
    os.kill(own.process.pid, signal.SIGSTOP)
    async with httpx.AsyncClient(base_url=f"http://{own.http}", timeout=DEADLINE_S) as client:
        read = await client.get(f"{POINTS}/PSR-1")
        written = await client.post(POINTS, json={"displayName": "x", "kind": "OPD"})
    assert (read.status_code, written.status_code) == (200, 503)
    assert written.json()["code"] == 14


async def test_a_service_that_never_answers_is_told_by_the_edge(tmp_path: Path, start: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        running = await start(tmp_path, f"127.0.0.1:{silent.getsockname()[1]}")
        await running.wait_until(200, "/healthz")
        async with httpx.AsyncClient(base_url=f"http://{running.http}") as client:
            answer = await client.get(f"{POINTS}/PSR-1", headers={"grpc-timeout": "200m"})
        assert await running.stop() == 0
    assert answer.status_code == 504
    assert answer.json()["details"][0]["reason"] == "DEADLINE_EXCEEDED"


async def test_an_unknown_upstream_refuses_to_start(tmp_path: Path, start: Any) -> None:
    running = await start(tmp_path, "x", upstreams='{"nowhere": "127.0.0.1:1"}')
    assert await asyncio.wait_for(running.process.wait(), DEADLINE_S) == 2
    assert "nowhere" in (tmp_path / "log").read_text()


async def test_a_state_folder_that_cannot_be_written_refuses_to_start(
    tmp_path: Path, start: Any
) -> None:
    running = await start(tmp_path, "127.0.0.1:1", state_folder=str(tmp_path / "log/below"))
    assert await asyncio.wait_for(running.process.wait(), DEADLINE_S) == 2
    said = (tmp_path / "log").read_text()
    assert said.startswith("wrong setting: SMARTCITY_STATE_FOLDER: ")
