import asyncio
import socket
from collections.abc import Iterator

import pytest
from probes import stamp_packets
from probes.stamp_reflector import reflector

HOST = "127.64.1.1"


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(0)
        yield one


async def answer_to(client: socket.socket, packet: bytes, port: int) -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(client, packet, (HOST, port))
    async with asyncio.timeout(10):
        return await loop.sock_recv(client, 2000)


async def test_a_reflector_sends_back_number_and_time(client: socket.socket) -> None:
    sent_at = stamp_packets.now()
    async with reflector(HOST) as port:
        answer = await answer_to(client, stamp_packets.request(7, sent_at), port)
    said = stamp_packets.read_reflection(answer)
    assert len(answer) == 44
    assert said is not None
    assert (said.sequence, said.sent_at) == (7, sent_at)
    assert 0 <= said.stayed_s < 10


async def test_what_stands_behind_a_packet_comes_back(client: socket.socket) -> None:
    async with reflector(HOST) as port:
        answer = await answer_to(client, stamp_packets.request(0, 1) + b"padding", port)
    assert answer[44:] == b"padding"


async def test_the_callable_decides_what_is_lost_and_what_is_late(client: socket.socket) -> None:
    packets = [stamp_packets.request(number, 1) for number in range(3)]
    delays = {packets[0]: 0.1, packets[1]: None, packets[2]: 0.0}
    loop = asyncio.get_running_loop()
    async with reflector(HOST, answer=delays.__getitem__) as port:
        for packet in packets:
            await loop.sock_sendto(client, packet, (HOST, port))
        answers = [await loop.sock_recv(client, 2000) for _ in range(2)]
    said = [stamp_packets.read_reflection(answer) for answer in answers]
    assert [one.sequence for one in said if one] == [2, 0]


async def test_what_is_no_packet_is_not_answered(client: socket.socket) -> None:
    async with reflector(HOST) as port:
        await asyncio.get_running_loop().sock_sendto(client, b"too short", (HOST, port))
        answer = await answer_to(client, stamp_packets.request(5, 1), port)
    said = stamp_packets.read_reflection(answer)
    assert said is not None
    assert said.sequence == 5
