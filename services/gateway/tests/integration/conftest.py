import asyncio
import importlib.util
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from devstack.waiting import until

_spec = importlib.util.spec_from_file_location("upstream", Path(__file__).with_name("upstream.py"))
assert _spec
assert _spec.loader
upstream_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(upstream_module)
DEADLINE_S = 20
POINT = "/v1/regions/64.01/points/PSR-1"
NAMES = ("http", "pages", "grpc", "envoy_admin", "metrics")


@dataclass
class Gateway:
    process: Process
    http: str
    metrics: str
    state_folder: Path
    environment: dict[str, str]

    async def wait_until(self, code: int, path: str = "/readyz") -> None:
        async with asyncio.timeout(DEADLINE_S), httpx.AsyncClient() as client:
            while await _code(client, f"http://{self.http}{path}") != code:
                assert self.process.returncode is None
                await asyncio.sleep(0.05)

    async def wait_for_log(self, text: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while text not in (self.state_folder / "log").read_text():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), DEADLINE_S)


async def start_gateway(folder: Path, upstream: str, **settings: str) -> Gateway:
    ports = free_addresses(len(NAMES))
    addresses = {f"{name}_address": port for name, port in zip(NAMES, ports, strict=True)}
    given = {"state_folder": str(folder), "upstreams": json.dumps({"inventory": upstream})}
    values = addresses | given | settings
    environment = {f"SMARTCITY_{name.upper()}": value for name, value in values.items()}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", env=os.environ | environment, stdout=log, stderr=log
        )
    http, metrics = values["http_address"], values["metrics_address"]
    return Gateway(process, http, metrics, folder, environment)


class Load:
    """Callers that ask again and again; each uses its connection for as long as it may."""

    def __init__(self, address: str, callers: int = 8) -> None:
        self._address = address
        self._callers = callers
        self._stopping = False
        self.done = 0
        self.failed: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Load"]:
        tasks = [asyncio.create_task(self._call()) for _ in range(self._callers)]
        try:
            yield self
        finally:
            self.stop()
            await asyncio.gather(*tasks)

    def stop(self) -> None:
        """Let each caller end after the call that it is in."""
        self._stopping = True

    async def goes_on(self, calls: int = 200) -> bool:
        wanted = self.done + calls

        async def so() -> bool:
            return self.done >= wanted

        return await until(so, DEADLINE_S)

    async def _call(self) -> None:
        own = {"authorization": "Bearer some.token"}  # strangers may not ask so often
        async with httpx.AsyncClient(
            base_url=f"http://{self._address}", timeout=10, headers=own
        ) as client:
            while not self._stopping:
                try:
                    answer = await client.get(POINT)
                except httpx.HTTPError as error:
                    self.failed.append(repr(error))
                else:
                    self.done += 1
                    if answer.status_code != 200:
                        self.failed.append(answer.text)


@pytest.fixture(scope="session")
def load_on() -> Any:
    """Give what runs a load on an address: `async with load_on(address) as load`."""
    return lambda address: Load(address).running()


@pytest.fixture(scope="session")
def addresses() -> Any:
    return free_addresses


def free_addresses(count: int) -> list[str]:
    """Return addresses that were free a moment ago, each another one."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


async def _code(client: httpx.AsyncClient, url: str) -> int:
    try:
        return (await client.get(url)).status_code
    except httpx.HTTPError:
        return 0


@pytest.fixture(scope="session")
def start() -> Any:
    return start_gateway


@pytest.fixture(scope="session")
def make_upstream() -> Any:
    return upstream_module.Upstream


@pytest.fixture(scope="session")
async def upstream() -> AsyncIterator[Any]:
    server = upstream_module.Upstream(free_addresses(1)[0])
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def gateway(
    upstream: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    running = await start_gateway(tmp_path_factory.mktemp("gateway"), upstream.address)
    await running.wait_until(200)
    yield running
    assert await running.stop() == 0


@pytest.fixture(scope="session")
async def client(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{gateway.http}", timeout=30) as session:
        yield session


@pytest.fixture(scope="session")
async def lonely(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway whose upstream is not there."""
    [nobody] = free_addresses(1)
    folder = tmp_path_factory.mktemp("lonely")
    running = await start_gateway(folder, nobody, cors_origins='["https://example.org"]')
    await running.wait_until(200, "/healthz")
    yield running
    assert await running.stop() == 0
