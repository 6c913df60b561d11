"""Questions to a process: is it there, is it well."""

import asyncio
import socket
from http import HTTPStatus

from probes.stamp_packets import now, read_reflection, request

from devstack.waiting import Condition

TIMEOUT_S = 2.0


def accepts(address: str) -> Condition:
    """Make the condition that a TCP server accepts connections at HOST:PORT."""

    async def condition() -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                _, writer = await _connect(address)
        except (OSError, TimeoutError):
            return False
        await _close(writer)
        return True

    return condition


def answers_ok(address: str, path: str) -> Condition:
    """Make the condition that GET of `path` at HOST:PORT is answered with 200."""

    async def condition() -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await _status(address, path) == HTTPStatus.OK
        except (OSError, TimeoutError, ValueError, IndexError):
            return False

    return condition


def reflects(host: str, port: int) -> Condition:
    """Make the condition that a STAMP packet (RFC 8762) is answered."""

    async def condition() -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await _reflection(host, port)
        except (OSError, TimeoutError):
            return False

    return condition


async def _reflection(host: str, port: int) -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setblocking(False)  # noqa: FBT003 - the library's shape
        asker.connect((host, port))
        await loop.sock_sendall(asker, request(0, now()))
        return read_reflection(await loop.sock_recv(asker, 100)) is not None


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _status(address: str, path: str) -> int:
    reader, writer = await _connect(address)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        return int((await reader.readline()).split()[1])
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        return  # the other side was faster
