"""The edge before services that demand its certificate."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from devstack.authority import Authority
from devstack.ports import free_ports
from devstack.waiting import until

DEADLINE_S = 20
POINT = "/v1/regions/64.01/points/PSR-1"
CREATED = {"displayName": "x", "kind": "OPT", "village": "0000"}


@dataclass
class Edge:
    """A gateway and its one service, each with a folder of certificates."""

    gateway: Any
    upstream: Any
    upstream_folder: Path
    gateway_folder: Path
    make_upstream: Any

    async def answers(self, path: str = POINT) -> httpx.Response:
        async with httpx.AsyncClient(base_url=f"http://{self.gateway.http}") as client:
            return await client.get(path, timeout=DEADLINE_S)

    async def comes_to(self, code: int, path: str = POINT) -> bool:
        async def so() -> bool:
            return (await self.answers(path)).status_code == code

        return await until(so, DEADLINE_S)

    async def restart_upstream(self) -> None:
        """End all connections: the next ones begin with a handshake."""
        await self.upstream.stop()
        self.upstream = self.make_upstream(self.upstream.address, self.upstream_folder)
        await self.upstream.start()


@asynccontextmanager
async def edge(
    folder: Path, start: Any, make_upstream: Any, mine: Authority, hosts: tuple[str, ...]
) -> AsyncIterator[Edge]:
    """Run a service with a certificate for `hosts`, and a gateway with one of `mine`."""
    theirs = mine if hosts else Authority("another")
    upstream_folder = theirs.issue(folder / "upstream", hosts or ("localhost",))
    gateway_folder = mine.issue(folder / "gateway", ("gateway",))
    [port] = free_ports(1)
    upstream = make_upstream(f"localhost:{port}", upstream_folder)
    await upstream.start()
    gateway = await start(folder, upstream.address, tls_folder=str(gateway_folder))
    running = Edge(gateway, upstream, upstream_folder, gateway_folder, make_upstream)
    try:
        await gateway.wait_until(200, "/healthz")
        yield running
    finally:
        gateway.process.kill()
        await gateway.process.wait()
        await running.upstream.stop()


@pytest.fixture
def authority() -> Authority:
    return Authority()


async def test_calls_health_and_the_check_of_json_go_over_tls(
    tmp_path: Path, start: Any, make_upstream: Any, authority: Authority
) -> None:
    async with edge(tmp_path, start, make_upstream, authority, ("localhost",)) as running:
        assert await running.comes_to(200, "/readyz")
        assert (await running.answers()).status_code == 200
        address = f"http://{running.gateway.http}/v1/regions/64.01/points"
        async with httpx.AsyncClient() as client:
            refused = await client.post(address, json=CREATED, timeout=DEADLINE_S)
    # The kind is misspelt, and what is wrong with the village only the service knows.
    fields = [one["field"] for one in refused.json()["details"][1]["fieldViolations"]]
    assert sorted(fields) == ["point.kind", "point.village"]


async def test_a_service_whose_certificate_names_another_host_is_not_called(
    tmp_path: Path, start: Any, make_upstream: Any, authority: Authority
) -> None:
    async with edge(tmp_path, start, make_upstream, authority, ("budget.example",)) as running:
        assert (await running.answers()).status_code == 503
        assert (await running.answers("/readyz")).status_code == 503
        assert running.upstream.inventory.calls == 0


async def test_a_service_of_another_authority_is_not_called(
    tmp_path: Path, start: Any, make_upstream: Any, authority: Authority
) -> None:
    async with edge(tmp_path, start, make_upstream, authority, ()) as running:
        assert (await running.answers()).status_code == 503
        assert running.upstream.inventory.calls == 0


async def test_certificates_of_a_new_authority_are_taken_without_a_restart(
    tmp_path: Path, start: Any, make_upstream: Any, authority: Authority
) -> None:
    async with edge(tmp_path, start, make_upstream, authority, ("localhost",)) as running:
        assert await running.comes_to(200)
        following = Authority("the next")
        following.issue(running.upstream_folder)
        await running.restart_upstream()
        assert await running.comes_to(503)
        following.issue(running.gateway_folder, ("gateway",))
        assert await running.comes_to(200)
        assert await running.comes_to(200, "/readyz")
        assert running.gateway.process.returncode is None


async def test_readiness_of_the_edge_is_not_that_of_what_is_behind_it(lonely: Any) -> None:
    async with httpx.AsyncClient(base_url=f"http://{lonely.http}") as client:
        codes = [
            (await client.get(path)).status_code for path in ("/healthz", "/readyz/edge", "/readyz")
        ]
    assert codes == [200, 200, 503]
