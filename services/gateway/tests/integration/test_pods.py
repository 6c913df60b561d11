"""Envoy, as the gateway sets it up, before a name that leads to all pods of a service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest
from devstack.authority import Authority
from devstack.ports import free_ports, is_free
from devstack.waiting import until
from gateway.bootstrap import bootstrap
from gateway.contract import load_contract
from gateway.envoy_process import Envoy
from gateway.routes import Routes
from gateway.settings import GatewaySettings

DEADLINE_S = 20
NAME = "inventory.smartcity.test"
PODS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
STILL = 20


class Names(asyncio.DatagramProtocol):
    """A name server that knows one name, as the cluster's own knows a headless service."""

    def __init__(self, pods: tuple[str, ...]) -> None:
        self.pods = pods
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = dns.message.make_response(dns.message.from_wire(data))
        [question] = answer.question
        if question.rdtype == dns.rdatatype.A:
            answer.answer.append(dns.rrset.from_text(question.name, 5, "IN", "A", *self.pods))
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def name_server(pods: tuple[str, ...]) -> AsyncIterator[tuple[Names, int]]:
    transport, names = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Names(pods), ("127.0.0.1", 0)
    )
    try:
        yield names, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def told_by(port: int, settings: GatewaySettings) -> dict[str, Any]:
    """Return the gateway's bootstrap with the test's name server in place of the machine's."""
    contract = load_contract(settings.upstreams)
    made = bootstrap(contract, Routes(contract), settings)
    resolver = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    server = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    for cluster in made["static_resources"]["clusters"]:
        cluster["typed_dns_resolver_config"] = {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {"@type": f"type.googleapis.com/{resolver}", "resolvers": [server]},
        }
    return made


def port_of_all() -> int:
    """Return a port that is free at every pod's address."""
    return next(port for port in free_ports(20) if all(is_free(pod, port) for pod in PODS))


def holds(condition: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def so() -> bool:
        return condition()

    return so


def left_alone(pod: Any) -> Callable[[], Awaitable[bool]]:
    """Return whether nobody calls the pod any more."""
    seen: list[int] = []

    async def so() -> bool:
        seen.append(pod.inventory.calls)
        return len(seen) > STILL and len(set(seen[-STILL:])) == 1

    return so


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
async def test_calls_spread_over_the_pods_of_a_name_and_leave_with_them(
    tmp_path: Path, make_upstream: Any, load_on: Any, addresses: Any, secured: Any
) -> None:
    folder = Authority().issue(tmp_path / "tls", (NAME,)) if secured else None
    port = port_of_all()
    pods = [make_upstream(f"{pod}:{port}", folder) for pod in PODS]
    for pod in pods[:2]:
        await pod.start()
    http, admin = addresses(2)
    settings = GatewaySettings(
        http_address=http,
        envoy_admin_address=admin,
        upstreams={"inventory": (f"{NAME}:{port}",)},
        state_folder=tmp_path,
        tls_folder=folder,
    )
    envoy = Envoy(settings)
    async with (
        name_server(PODS[:2]) as (names, dns_port),
        envoy.running(told_by(dns_port, settings)),
        load_on(http) as load,
    ):
        both = holds(lambda: all(pod.inventory.calls for pod in pods[:2]))
        assert await until(both, DEADLINE_S)
        load.failed.clear()  # while Envoy began to listen
        await pods[2].start()
        names.pods = PODS
        assert await until(holds(lambda: pods[2].inventory.calls > 0), DEADLINE_S)
        # As a pod leaves: out of the name, NOT_SERVING, then gone after its last calls.
        names.pods = PODS[1:]
        await pods[0].serving(able=False)
        assert await load.goes_on()
        assert await until(left_alone(pods[0]), DEADLINE_S)
        await pods[0].stop(5)
        assert await load.goes_on()
    assert load.failed == []
    for pod in pods[1:]:
        await pod.stop()
