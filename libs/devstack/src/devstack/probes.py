"""Questions to a process: is it there, is it well."""

import asyncio
from http import HTTPStatus

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
