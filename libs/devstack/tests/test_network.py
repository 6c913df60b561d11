"""The simulated network as a process of its own: real packets, and its end by any death."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
from devstack.network.addresses import OWN, free_addresses
from devstack.network.orders import Order, Orders
from devstack.network.site import Site
from devstack.network.sites import write_sites
from devstack.network.technologies import KINDS
from devstack.outside import Outside
from devstack.ports import free_ports
from devstack.probes import reflects
from devstack.testing import Outsiders
from devstack.waiting import until
from probes.stamp_packets import now, read_reflection, request

WRONG = '{"id": "e", "point": "x", "district": "", "until": "soon"}'
StartNetwork = Callable[[], Awaitable[Outside]]


class Asker(asyncio.DatagramProtocol):
    """Sends STAMP packets to addresses of the network; notes who answered."""

    def __init__(self, port: int) -> None:
        self.answers: dict[str, list[float]] = {}
        """Round trips in ms by address."""
        self._port = port
        self._asked: list[tuple[str, int]] = []
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = read_reflection(data)
        assert answer is not None
        assert self._asked[answer.sequence] == (addr[0], answer.sent_at)
        round_trip_ms = (now() - answer.sent_at) / 2**32 * 1000 - answer.stayed_s * 1000
        self.answers.setdefault(addr[0], []).append(round_trip_ms)

    def ask(self, *addresses: str) -> None:
        for address in addresses:
            sent_at = now()
            packet = request(len(self._asked), sent_at)
            self._asked.append((address, sent_at))
            self._transport.sendto(packet, (address, self._port))

    async def is_answered(self, address: str) -> bool:
        """Ask once, and again while nothing comes, for a while: packets are lost."""
        before = len(self.answers.get(address, []))

        async def answered() -> bool:
            self.ask(address)
            return len(self.answers.get(address, [])) > before

        return await until(answered, within_s=10)

    async def is_silent(self, address: str) -> bool:
        """Tell whether packets remain unanswered that are sent before others that are answered."""
        before = len(self.answers.get(address, []))
        for _ in range(3):
            self.ask(*[address] * 5)
            assert await self.is_answered(OWN)
        return len(self.answers.get(address, [])) == before

    async def becomes_silent(self, address: str) -> bool:
        async def silent() -> bool:
            return await self.is_silent(address)

        return await until(silent, within_s=10)


@asynccontextmanager
async def asking(port: int) -> AsyncIterator[Asker]:
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_datagram_endpoint(
        lambda: Asker(port), local_addr=("127.0.0.1", 0)
    )
    try:
        yield asker
    finally:
        transport.close()


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def start(
    folder: Path, port: int, outside: Outsiders, monkeypatch: pytest.MonkeyPatch
) -> StartNetwork:
    """Give the function that starts the network on the folder, with nobody to ask."""
    told = {"PORT": port, "SEED": 6401, "FOLDER": folder, "REGION": "64.01"}
    for name, value in told.items():
        monkeypatch.setenv(f"SMARTCITY_NETWORK_{name}", str(value))

    async def begin() -> Outside:
        network = await outside("-m", "devstack.network")
        assert await until(reflects(OWN, port), within_s=30), network.text
        return network

    return begin


def sites(technologies: Iterable[str]) -> list[Site]:
    """Return a site of each technology named, without districts that could fail together."""
    free = free_addresses(())
    return [
        Site(
            point=f"PSR-{number}",
            display_name=f"Titik {number}",
            district="",
            district_name="",
            technology=technology,
            address=next(free),
        )
        for number, technology in enumerate(technologies)
    ]


async def working(asker: Asker, known: list[Site], count: int) -> list[Site]:
    """Return so many sites that answer just now."""
    asker.ask(*(site.address for site in known))

    async def answered() -> bool:
        return len(asker.answers) >= count

    assert await until(answered, within_s=20)
    return [site for site in known if site.address in asker.answers][:count]


async def test_packets_take_as_long_as_the_technology_does(
    folder: Path, port: int, start: StartNetwork
) -> None:
    known = sites(technology for technology in KINDS for _ in range(20))
    write_sites(folder, known)
    await start()
    async with asking(port) as asker:
        for _ in range(20):
            asker.ask(*(site.address for site in known))

        async def nearly_all() -> bool:
            return sum(map(len, asker.answers.values())) > 0.8 * 20 * len(known)

        assert await until(nearly_all, within_s=20)
        middle = {name: median(delays(asker, known, name)) for name in KINDS}
    for name, kind in KINDS.items():
        assert min(delays(asker, known, name)) >= kind.shortest_ms
    assert middle["FO"] < middle["MODEM_4G"] < middle["VSAT"]


def delays(asker: Asker, known: list[Site], technology: str) -> list[float]:
    there = [site.address for site in known if site.technology == technology]
    return [delay for address in there for delay in asker.answers.get(address, [])]


async def test_ten_thousand_addresses_answer_from_one_socket(
    folder: Path, port: int, start: StartNetwork
) -> None:
    known = sites(["FO"] * 10_000)
    write_sites(folder, known)
    network = await start()
    async with asking(port) as asker:

        async def nearly_all() -> bool:
            silent = [site.address for site in known if site.address not in asker.answers]
            asker.ask(*silent[:500])
            return len(silent) < 300

        assert await until(nearly_all, within_s=60)
    assert psutil.Process(network.process.pid).num_fds() < 30


async def test_nobody_answers_for_other_addresses(
    folder: Path, port: int, start: StartNetwork
) -> None:
    write_sites(folder, sites(["FO"]))
    await start()
    async with asking(port) as asker:
        assert await asker.is_silent("127.64.200.200")
        assert await asker.is_silent("127.0.0.1")
        assert await asker.is_answered(OWN)


async def test_what_is_no_stamp_packet_is_not_answered_and_harms_nothing(
    folder: Path, port: int, start: StartNetwork
) -> None:
    write_sites(folder, [])
    await start()
    async with asking(port) as asker:
        for rubbish in (b"", b"x", b"\xff" * 43):
            asker._transport.sendto(rubbish, (OWN, port))  # noqa: SLF001 - a packet of its own
        assert await asker.is_answered(OWN)
    assert [*asker.answers] == [OWN]


async def test_an_ordered_outage_survives_a_kill_and_ends_when_it_is_taken_back(
    folder: Path, port: int, start: StartNetwork
) -> None:
    known = sites(["FO"] * 20)
    write_sites(folder, known)
    first = await start()
    async with asking(port) as asker:
        hit, spared = await working(asker, known, 2)
        orders = Orders(folder)
        order = Order(id="1", point=hit.point, district="", until=time.time() + 3600)
        orders.give(order)
        assert await asker.becomes_silent(hit.address)
        assert await first.end(signal.SIGKILL) == -signal.SIGKILL
        await start()
        assert await asker.is_silent(hit.address)
        assert await asker.is_answered(spared.address)
        orders.end(order)
        assert await asker.is_answered(hit.address)


async def test_an_ordered_outage_ends_by_itself(
    folder: Path, port: int, start: StartNetwork
) -> None:
    known = sites(["FO"] * 20)
    write_sites(folder, known)
    await start()

    async def no_order_is_left() -> bool:
        return not any((folder / "orders").iterdir())

    async with asking(port) as asker:
        (hit,) = await working(asker, known, 1)
        Orders(folder).give(Order(id="1", point=hit.point, district="", until=time.time() + 4))
        assert await asker.becomes_silent(hit.address)
        assert await asker.is_answered(hit.address)
    assert await until(no_order_is_left, within_s=10)


async def test_files_that_cannot_be_read_harm_nothing(
    folder: Path, port: int, start: StartNetwork
) -> None:
    (folder / "orders").mkdir()
    for name, text in (("a", ""), ("b", "[1]"), ("c", '{"id": "c"}'), ("e", WRONG), ("d", "\x00")):
        (folder / "orders" / f"{name}.json").write_text(text)
    (folder / "sites.json").write_text('[{"point": 1}]')
    await start()
    async with asking(port) as asker:
        assert await asker.is_answered(OWN)


async def test_a_port_that_is_taken_is_named(
    port: int, start: StartNetwork, outside: Outsiders
) -> None:
    first = await start()
    second = await outside("-m", "devstack.network")
    assert await second.end() == 1
    assert f"UDP port {port} cannot be had" in second.text
    assert await first.end(signal.SIGTERM) == 0


async def test_a_missing_setting_is_named(outside: Outsiders, monkeypatch: Any) -> None:
    for name in [name for name in os.environ if name.startswith("SMARTCITY_NETWORK_")]:
        monkeypatch.delenv(name)
    run = await outside("-m", "devstack.network")
    assert await run.end() == 2
    assert "SMARTCITY_NETWORK_PORT" in "".join(run.lines)
