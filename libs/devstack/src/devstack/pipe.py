"""The pipe through which a child's output reaches us, across all its lives."""

import array
import asyncio
import fcntl
import os
import termios
from collections.abc import Callable
from typing import Self

from devstack.waiting import until

SETTLE_S = 1.0


class _Reader(asyncio.Protocol):
    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set()


class OutputPipe:
    """Passes every byte written to `entry` on.

    It is not asyncio's own pipe of a subprocess: waiting for that process would also wait for
    whoever else still holds its pipe, such as the server processes of a killed PostgreSQL.
    """

    def __init__(self, entry: int, reader: _Reader, transport: asyncio.ReadTransport) -> None:
        self.entry = entry
        self._reader = reader
        self._transport = transport

    @classmethod
    async def open(cls, take: Callable[[bytes], None]) -> Self:
        """Open a pipe that calls `take` with what comes."""
        exit_, entry = os.pipe()
        reader = _Reader(take)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: reader, os.fdopen(exit_, "rb", 0))
        return cls(entry, reader, transport)

    async def settle(self) -> None:
        """Wait until what was written so far has been passed on."""
        await until(self._is_empty, SETTLE_S)

    async def close(self) -> None:
        """Pass on the rest and close; a stranger that still holds the pipe does not matter."""
        os.close(self.entry)
        try:
            async with asyncio.timeout(SETTLE_S):
                await self._reader.ended.wait()
        except TimeoutError:
            self._transport.close()
            await self._reader.ended.wait()

    async def _is_empty(self) -> bool:
        waiting = array.array("i", [0])
        fcntl.ioctl(self._transport.get_extra_info("pipe").fileno(), termios.FIONREAD, waiting)
        return waiting[0] == 0
