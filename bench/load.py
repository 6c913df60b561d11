"""A load generator for one HTTP/1.1 request over kept-alive connections.

Written by hand because a general client costs more than the servers that it measures: this one
only counts whole answers (by content-length) and keeps each one's time.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

END = b"\r\n\r\n"
LENGTH = b"content-length:"
SECONDS = 3.0
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Rate:
    """What a run gave: answers per second, and the time of one in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float


class _Connection(asyncio.Protocol):
    """Sends the request again as soon as its answer is whole."""

    def __init__(self, request: bytes, until: float, times: list[float]) -> None:
        self._request, self._until, self._times = request, until, times
        self._buffer = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(END)
        if head < 0 or len(self._buffer) < head + len(END) + self._length(head):
            return
        if not self._buffer.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._buffer[:500].decode()))
            self._transport.close()
            return
        now = time.perf_counter()
        self._times.append(now - self._sent)
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()
            self.done.set_result(None)

    def _length(self, head: int) -> int:
        lower = self._buffer[:head].lower()
        at = lower.index(LENGTH) + len(LENGTH)
        return int(lower[at:].split(b"\r\n", 1)[0])

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def rate_of(times: list[float], took_s: float) -> Rate:
    """Return the rate of calls that took `times` seconds each and `took_s` together."""
    times.sort()
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    return Rate(len(times) / took_s, p50 * 1000, p99 * 1000)


async def measure(address: str, path: str, token: str = "") -> Rate:
    """Call GET `path` at HOST:PORT, with a token if given, for `SECONDS`; return the rate."""
    host, _, port = address.rpartition(":")
    bearer = f"authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nhost: {address}\r\n{bearer}\r\n".encode()
    times: list[float] = []
    begin = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: _Connection(request, begin + SECONDS, times), host, int(port)
        )
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    return rate_of(times, time.perf_counter() - begin)
