"""The embedded NATS server, spoken to in its own words: its protocol is plain text."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from devstack.nats import EmbeddedNats
from devstack.ports import free_ports
from devstack.waiting import until

STREAM = {"name": "KEPT", "subjects": ["kept.>"], "storage": "file"}


@pytest.fixture
async def nats(folder: Path) -> AsyncIterator[EmbeddedNats]:
    port, monitor_port = free_ports(2)
    server = EmbeddedNats(folder / "nats", (port, monitor_port))
    await server.start()
    yield server
    await server.stop()


async def request(server: EmbeddedNats, subject: str, body: bytes) -> Any:
    """Send a request and return the JSON of its answer."""
    port = int(server.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    words = f"CONNECT {{}}\r\nSUB answers 1\r\nPUB {subject} answers {len(body)}\r\n"
    writer.write(words.encode() + body + b"\r\n")
    try:
        async with asyncio.timeout(5):
            while not (line := await reader.readline()).startswith(b"MSG answers"):
                assert line
            return json.loads(await reader.readexactly(int(line.split()[-1])))
    finally:
        writer.close()
        await writer.wait_closed()


async def stored(server: EmbeddedNats) -> int:
    answer = await request(server, "$JS.API.STREAM.INFO.KEPT", b"")
    return int(answer["state"]["messages"])


async def store(server: EmbeddedNats) -> None:
    await request(server, "$JS.API.STREAM.CREATE.KEPT", json.dumps(STREAM).encode())
    assert (await request(server, "kept.one", b"1"))["seq"] == 1


async def test_what_a_stream_holds_survives_a_restart(nats: EmbeddedNats) -> None:
    await store(nats)
    await nats.stop()
    await nats.start()
    assert await stored(nats) == 1


async def test_what_a_stream_holds_survives_a_kill(nats: EmbeddedNats) -> None:
    await store(nats)
    killed = nats.child.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    async def back() -> bool:
        return nats.child.pid != killed and await nats.child.is_ready()

    assert await until(back, within_s=10)
    assert await stored(nats) == 1
