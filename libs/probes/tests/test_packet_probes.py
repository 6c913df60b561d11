"""ICMP, STAMP and TCP against real listeners on loopback."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from probes import icmp, stamp_packets
from probes.outcome import Outcome
from probes.probe import probe
from probes.stamp_reflector import reflector
from probes.target import Kind, Target

HOST = "127.64.1.2"
STAMP = Target(Kind.STAMP, HOST, packets=4, spacing_s=0.02, timeout_s=1.0)


def sequence_of(packet: bytes) -> int:
    return int(stamp_packets.SENT.unpack_from(packet)[0])


async def stamped(answer: Callable[[bytes], float | None], target: Target = STAMP) -> Outcome:
    async with reflector(HOST, answer=answer) as port:
        return await probe(replace(target, port=port))


async def test_stamp_measures_the_delay_of_the_line() -> None:
    seen = await stamped(lambda _: 0.05)
    assert (seen.sent, seen.received, seen.error) == (4, 4, "")
    assert seen.min_ms is not None
    assert seen.min_ms >= 50


async def test_stamp_tells_which_packets_were_lost() -> None:
    lost = replace(STAMP, timeout_s=0.2)
    seen = await stamped(lambda packet: None if sequence_of(packet) == 1 else 0.0, lost)
    assert [one is None for one in seen.attempts_ms] == [False, True, False, False]
    assert (seen.loss, seen.error) == (0.25, "no answer in time")


async def test_an_answer_after_its_packets_own_timeout_does_not_count() -> None:
    """The first answer comes while the burst still waits for the others."""
    slow = replace(STAMP, spacing_s=0.2, timeout_s=0.3)
    seen = await stamped(lambda packet: 0.4 if sequence_of(packet) == 0 else 0.0, slow)
    assert [one is None for one in seen.attempts_ms] == [True, False, False, False]


async def test_an_answer_that_comes_twice_or_to_another_burst_counts_once_or_not() -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            foreign = stamp_packets.reflection(stamp_packets.request(1, 1), 1) or b""
            right = stamp_packets.reflection(data, stamp_packets.now()) or b""
            for answer in (foreign, b"noise", right, right):
                self.transport.sendto(answer, address)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    port = transport.get_extra_info("sockname")[1]
    seen = await probe(replace(STAMP, port=port))
    transport.close()
    assert (seen.sent, seen.received) == (4, 4)


async def test_stamp_where_nobody_listens_is_refused_and_silent() -> None:
    async with reflector(HOST) as port:
        closed = port
    seen = await probe(replace(STAMP, port=closed, timeout_s=0.2))
    assert (seen.sent, seen.received, seen.silent) == (4, 0, True)
    assert seen.error == "connection refused"


async def test_a_burst_that_is_cancelled_closes_its_socket() -> None:
    async with reflector(HOST, answer=lambda _: None) as port:
        task = asyncio.create_task(probe(replace(STAMP, port=port, timeout_s=60)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_name_without_an_address_measures_nothing() -> None:
    for kind in Kind:
        seen = await probe(replace(STAMP, kind=kind, address="nobody.invalid", port=9))
        assert not seen.measured
        assert "nobody.invalid" in seen.error


@pytest.mark.parametrize("address", ["127.64.1.3", "::1"])
async def test_icmp_is_answered_by_loopback(address: str) -> None:
    if ":" in address and not socket.has_dualstack_ipv6():
        address = "127.0.0.1"
    seen = await probe(Target(Kind.ICMP, address, packets=3, spacing_s=0.01))
    assert (seen.sent, seen.received, seen.error) == (3, 3, "")


async def test_bursts_of_icmp_side_by_side_do_not_take_each_others_answers() -> None:
    targets = [
        Target(Kind.ICMP, f"127.64.2.{n}", packets=n % 3 + 1, spacing_s=0.01) for n in range(1, 60)
    ]
    seen = await asyncio.gather(*map(probe, targets))
    assert [one.received for one in seen] == [target.packets for target in targets]


async def test_icmp_that_is_not_allowed_is_said_and_measures_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Forbidden(socket.socket):
        def __init__(self, *_: object) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("probes.icmp.socket.socket", Forbidden)
    seen = await probe(Target(Kind.ICMP, HOST))
    assert not seen.measured
    assert seen.error == icmp.NOT_ALLOWED


def test_the_checksum_is_that_of_the_standard() -> None:
    """The example of RFC 1071, section 3."""
    assert icmp.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


async def test_tcp_connects_as_often_as_it_shall(listening: int) -> None:
    seen = await probe(Target(Kind.TCP, HOST, listening, packets=3, spacing_s=0.01))
    assert (seen.sent, seen.received, seen.error) == (3, 3, "")


async def test_tcp_where_nobody_listens_is_refused() -> None:
    with socket.create_server((HOST, 0)) as server:
        closed = server.getsockname()[1]
    seen = await probe(Target(Kind.TCP, HOST, closed, packets=2, spacing_s=0.01))
    assert (seen.sent, seen.received, seen.error) == (2, 0, "connection refused")


async def test_tcp_to_who_takes_no_connection_ends_with_its_timeout() -> None:
    with socket.create_server((HOST, 0), backlog=0) as server, socket.socket() as first:
        first.connect(server.getsockname())
        host, port = server.getsockname()
        target = Target(Kind.TCP, host, port, packets=2, spacing_s=0, timeout_s=0.2)
        seen = await probe(target)
    assert (seen.received, seen.error) == (0, "no answer in time")
