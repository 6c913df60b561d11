"""A service over mutual TLS, in a process of its own, and the plain port for probes beside it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from common.certificates import CertificateFolder, Certificates
from common.rpc.tls import channel_credentials
from devstack.authority import Authority
from devstack.ports import free_ports
from devstack.waiting import until
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVICE = "smartcity.inventory.v1.InventoryService"
STATES = health_pb2.HealthCheckResponse
DEADLINE_S = 20


@dataclass
class Serving:
    process: Process
    target: str
    probes: str
    metrics: str
    folder: Path

    async def called_with(self, certificates: Certificates | None) -> grpc.StatusCode:
        """Call by a new connection, plainly without certificates; return how it ended."""
        channel = (
            grpc.aio.insecure_channel(self.target)
            if certificates is None
            else grpc.aio.secure_channel(self.target, channel_credentials(certificates))
        )
        async with channel:
            return (await _asked(channel, SERVICE))[0]

    async def probe(self, name: str) -> int:
        """Return what a probe is told, which speaks no TLS."""
        async with grpc.aio.insecure_channel(self.probes) as channel:
            return (await _asked(channel, name))[1]

    async def comes_to(self, name: str, state: int) -> bool:
        async def so() -> bool:
            return await self.probe(name) == state

        return await until(so, DEADLINE_S)


async def _asked(channel: grpc.aio.Channel, name: str) -> tuple[grpc.StatusCode, int]:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
    except grpc.aio.AioRpcError as error:
        return error.code(), -1
    return grpc.StatusCode.OK, int(answer.status)


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def serving(tmp_path: Path, authority: Authority) -> AsyncIterator[Serving]:
    port, probes, metrics = free_ports(3)
    settings = {
        "SMARTCITY_GRPC_ADDRESS": f"127.0.0.1:{port}",
        "SMARTCITY_HEALTH_ADDRESS": f"127.0.0.1:{probes}",
        "SMARTCITY_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
        "SMARTCITY_TLS_FOLDER": str(authority.issue(tmp_path / "tls")),
        "SMARTCITY_IDENTITY": "off",
        "SMARTCITY_LEAVE_S": "30",
        "SMARTCITY_FOLDER": str(tmp_path),
    }
    program = str(Path(__file__).with_name("serving.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, env=os.environ | settings
    )
    page = f"http://127.0.0.1:{metrics}/metrics"
    one = Serving(process, f"127.0.0.1:{port}", f"127.0.0.1:{probes}", page, tmp_path)
    try:
        assert await one.comes_to("", STATES.SERVING)
        yield one
    finally:
        process.kill()
        await process.wait()


async def test_only_a_certificate_of_the_authority_gets_in(
    serving: Serving, authority: Authority, tmp_path: Path
) -> None:
    mine = Certificates.read(authority.issue(tmp_path / "caller"))
    stranger = Certificates.read(Authority().issue(tmp_path / "stranger"))
    # The stranger trusts our authority: it is the server that must refuse.
    pretending = Certificates(stranger.chain, stranger.key, mine.trusted)
    assert await serving.called_with(mine) == grpc.StatusCode.OK
    assert await serving.called_with(pretending) == grpc.StatusCode.UNAVAILABLE
    assert await serving.called_with(None) == grpc.StatusCode.UNAVAILABLE


async def test_a_server_of_another_authority_is_not_believed(
    serving: Serving, authority: Authority, tmp_path: Path
) -> None:
    mine = Certificates.read(authority.issue(tmp_path / "caller"))
    doubting = Certificates(mine.chain, mine.key, Authority().certificate)
    assert await serving.called_with(doubting) == grpc.StatusCode.UNAVAILABLE


async def test_certificates_rotated_on_disk_are_taken_without_a_restart(
    serving: Serving, authority: Authority, tmp_path: Path
) -> None:
    before = Certificates.read(authority.issue(tmp_path / "before"))
    assert await serving.called_with(before) == grpc.StatusCode.OK
    following = Authority("the next")
    following.issue(tmp_path / "tls")
    after = Certificates.read(following.issue(tmp_path / "after"))
    assert await serving.called_with(after) == grpc.StatusCode.OK
    assert await serving.called_with(before) == grpc.StatusCode.UNAVAILABLE
    assert serving.process.returncode is None


async def test_the_end_of_the_certificate_is_a_metric(serving: Serving) -> None:
    ends = Certificates.read(serving.folder / "tls").ends.timestamp()
    async with httpx.AsyncClient() as client:
        lines = (await client.get(serving.metrics)).text.splitlines()
    [line] = [one for one in lines if one.startswith("smartcity_certificate_end")]
    assert float(line.split()[1]) == ends


async def test_what_is_away_makes_a_service_unready_but_not_dead(serving: Serving) -> None:
    assert await serving.probe(SERVICE) == STATES.SERVING
    (serving.folder / "unable").touch()
    assert await serving.comes_to("", STATES.NOT_SERVING)
    assert await serving.probe(SERVICE) == STATES.NOT_SERVING
    assert await serving.probe("liveness") == STATES.SERVING


async def test_a_service_that_leaves_is_unready_but_not_dead(serving: Serving) -> None:
    serving.process.send_signal(signal.SIGTERM)
    assert await serving.comes_to("", STATES.NOT_SERVING)
    assert await serving.probe("liveness") == STATES.SERVING


async def test_the_plain_port_serves_nothing_but_health(serving: Serving) -> None:
    async with grpc.aio.insecure_channel(serving.probes) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/GetPoint")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"", timeout=5)
    assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_worker_answers_probes_until_its_work_fails(tmp_path: Path) -> None:
    probes, metrics = free_ports(2)
    settings = {
        "SMARTCITY_HEALTH_ADDRESS": f"127.0.0.1:{probes}",
        "SMARTCITY_METRICS_ADDRESS": f"127.0.0.1:{metrics}",
        "SMARTCITY_FOLDER": str(tmp_path),
    }
    program = str(Path(__file__).with_name("working.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, env=os.environ | settings
    )
    worker = Serving(process, "", f"127.0.0.1:{probes}", "", tmp_path)
    try:
        assert await worker.comes_to("", STATES.SERVING)
        assert await worker.probe("liveness") == STATES.SERVING
        (tmp_path / "broken").touch()
        assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 1
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def test_files_that_do_not_fit_together_change_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    folder = CertificateFolder(authority.issue(tmp_path / "tls"))
    before = folder.current
    authority.issue(tmp_path / "other")
    (tmp_path / "tls/tls.key").write_bytes((tmp_path / "other/tls.key").read_bytes())
    assert not folder.changed()
    (tmp_path / "tls/tls.crt").unlink()
    assert not folder.changed()
    assert folder.current == before
    authority.issue(tmp_path / "tls")
    assert folder.changed()
    assert folder.current != before
    assert not folder.changed()
