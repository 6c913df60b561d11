"""Throughput: a download and an upload now and then, within the month's data budget."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from os import urandom

import httpx
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from siteagent.budget import Budget
from siteagent.checks import Recorder, at_intervals
from siteagent.clock import Clock

LOG = logging.getLogger(__name__)
PART = 64 * 1024
TEST_S = 60.0
OVERHEAD = 1.1
"""What a byte of a body costs on the line: headers of TCP, IP, TLS, and some sent again."""
AROUND = 20_000
"""What a request costs around its body: names, TLS, headers."""
BITS_PER_BYTE = 8


class MoreThanAsked(Exception):
    """The server sends more than was asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is transferred, how often, and how much of it in a month."""

    point: str
    interval_s: float
    test_bytes: int
    """Of a body, in each direction."""
    month_bytes: int
    download_url: str = ""
    upload_url: str = ""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Tests a line."""

    plan: Plan
    budget: Budget
    clock: Clock
    client: httpx.AsyncClient

    async def run(self, recorder: Recorder) -> None:
        """Test at even distances until cancelled."""
        point, interval_s = self.plan.point, self.plan.interval_s
        await at_intervals(interval_s, lambda: recorder.record(point, self.test))

    async def test(self) -> Measurement | None:
        """Measure both directions; None when neither could be.

        Not before the server's time is known: a clock that is wrong would open another month.
        """
        if self.clock.offset_us is None:
            return None
        down = await self._paid(self._download) if self.plan.download_url else None
        up = await self._paid(self._upload) if self.plan.upload_url else None
        if down is None and up is None:
            return None
        return Measurement(download_mbps=down, upload_mbps=up, method="throughput")

    async def _paid(self, transfer: Callable[[], Awaitable[tuple[int, float]]]) -> float | None:
        """Transfer what the budget still pays for; a transfer that failed stays paid as a whole."""
        price = on_the_line(self.plan.test_bytes)
        now_us = self.clock.server_us(self.clock.now())
        paid = await asyncio.to_thread(self.budget.reserve, price, now_us)
        if paid is None:
            LOG.info("the month's data are used up")
            return None
        try:
            async with asyncio.timeout(TEST_S):
                size, seconds = await transfer()
        except (httpx.HTTPError, TimeoutError, MoreThanAsked) as failure:
            LOG.warning("throughput was not measured: %s: %s", type(failure).__name__, failure)
            return None
        await asyncio.to_thread(self.budget.settle, paid, on_the_line(size))
        return size * BITS_PER_BYTE / seconds / 1e6 if size else None

    async def _download(self) -> tuple[int, float]:
        """Return how many bytes came after the headers, and in how many seconds."""
        wanted = self.plan.test_bytes
        headers = {"range": f"bytes=0-{wanted - 1}", "accept-encoding": "identity"}
        url = self.plan.download_url
        async with self.client.stream("GET", url, headers=headers) as response:
            response.raise_for_status()
            if int(response.headers.get("content-length", 0)) > wanted:
                raise MoreThanAsked(f"{url} does not know Range; let it give {wanted} bytes")
            begin = time.perf_counter()
            async for _ in response.aiter_raw(PART):
                if response.num_bytes_downloaded > wanted:
                    raise MoreThanAsked(f"{url} sends more than {wanted} bytes")
            return response.num_bytes_downloaded, time.perf_counter() - begin

    async def _upload(self) -> tuple[int, float]:
        """Return how many bytes went, and in how many seconds until the answer came."""
        size = self.plan.test_bytes
        headers = {"content-length": str(size)}
        begin = time.perf_counter()
        response = await self.client.post(
            self.plan.upload_url, content=_noise(size), headers=headers
        )
        response.raise_for_status()
        return size, time.perf_counter() - begin


async def _noise(size: int) -> AsyncIterator[bytes]:
    """Give bytes that no line can make fewer of."""
    part = urandom(PART)
    for start in range(0, size, PART):
        yield part[: size - start]


def on_the_line(body_bytes: int) -> int:
    """Return what a transfer costs, counted rather too high."""
    return int(body_bytes * OVERHEAD) + AROUND
