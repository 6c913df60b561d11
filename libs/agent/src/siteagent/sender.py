"""Sending what waits, batch after batch, until nothing waits."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field
from random import SystemRandom

from smartcity.monitoring.v1.agent_pb2 import AgentBatch
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from siteagent import SOFTWARE
from siteagent.backoff import Backoff
from siteagent.buffer import Buffer, Kept
from siteagent.clock import Clock, Instant
from siteagent.server import Answer, Crowded, Refused, Server, Unreachable, micros

FIRST, MOST = 50, 1000
"""How many go in the first batch, and in those after it: what is new passes by the backlogs of
others, and of a backlog the fewer the batches, the less is their work."""
SPREAD_S = 30.0
GATHER_S = 1.0
"""How long to wait after a measurement whether others come, that go with it."""
LOG = logging.getLogger(__name__)
US = 1_000_000


def soon() -> float:
    """Return when large batches may begin: who wakes together does not send them together."""
    return time.monotonic() + SystemRandom().uniform(0, SPREAD_S)


@dataclass(slots=True)
class Sender:
    """Sends the buffer's measurements. One batch is under way at a time."""

    buffer: Buffer
    server: Server
    clock: Clock
    backoff: Backoff = field(default_factory=Backoff)
    gather_s: float = GATHER_S
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whoever adds to the buffer."""
    _large_from: float = field(default_factory=soon)

    async def run(self) -> None:
        """Send until cancelled. A backlog waits for its time, while what is new goes on."""
        while True:
            try:
                await self._send_until(self._large_from)
            except Crowded as failure:
                self._large_from = time.monotonic() + self.backoff.failed(failure.retry_s)
            except (Unreachable, Refused) as failure:
                await self._wait_after(failure)
                continue
            await self._something_to_send()
            await asyncio.sleep(self.gather_s)

    async def send_all(self) -> None:
        """Send batch after batch until nothing waits.

        Raises:
            Unreachable, Refused: The rest waits on.
        """
        await self._send_until(large_from=0)

    async def _wait_after(self, failure: Unreachable | Refused) -> None:
        told_s = failure.retry_s if isinstance(failure, Unreachable) else 0
        pause_s = self.backoff.failed(told_s)
        LOG.warning("not sent, again in %.0f s: %s", pause_s, failure)
        await asyncio.sleep(pause_s)
        self._large_from = soon()

    async def _something_to_send(self) -> None:
        """Wait for a measurement or, while a backlog waits, for its time."""
        left_s = self._large_from - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s if left_s > 0 else None):
                await self.told.wait()

    async def _send_until(self, large_from: float) -> None:
        """Send a small batch, then large ones, if it is their time, until nothing waits.

        Before the first one the server is asked for its time: measurements get theirs from it.
        """
        if self.clock.offset_us is None:
            await self._send([])
        self.told.clear()
        most = FIRST
        while chosen := await asyncio.to_thread(self.buffer.choose, most):
            answer = await self._send(chosen)
            rejections = {
                chosen[place].number: why
                for place, why in answer.rejections.items()
                if place < len(chosen)
            }
            numbers = [kept.number for kept in chosen]
            await asyncio.to_thread(self.buffer.settle, numbers, rejections)
            self.backoff.succeeded()
            most = MOST
            if time.monotonic() < large_from:
                return

    async def _send(self, chosen: list[Kept]) -> Answer:
        sequence = await asyncio.to_thread(self.buffer.next_sequence)
        asked = self.clock.now()
        try:
            answer = await self.server.submit(self._batch(chosen, sequence, asked))
        except Refused as refusal:
            if "server_time" in refusal.metadata:
                self.clock.forget()
                await self._learn(asked, micros(refusal.metadata["server_time"]))
            raise
        await self._learn(asked, answer.server_us)
        return answer

    async def _learn(self, asked: Instant, server_us: int) -> None:
        answered = self.clock.now()
        self.clock.learn(asked, answered, server_us)
        offset_us = self.clock.offset_us or 0
        figures = {"last_answer_us": server_us, "skew_ms": self.clock.skew_ms(answered)}
        await asyncio.to_thread(self.buffer.learn, self.clock.boot, offset_us, figures)

    def _batch(self, chosen: list[Kept], sequence: int, now: Instant) -> bytes:
        batch = AgentBatch(
            agent=self.server.identity.agent,
            sequence=sequence,
            clock_skew_ms=self.clock.skew_ms(now),
            software_version=SOFTWARE,
            measurements=map(_measurement, chosen),
        )
        batch.send_time.FromMicroseconds(self.clock.server_us(now))
        return batch.SerializeToString()


def _measurement(kept: Kept) -> Measurement:
    measurement = Measurement.FromString(kept.body)
    measurement.time.FromMicroseconds(kept.time_us)
    return measurement
