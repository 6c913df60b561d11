"""Checks on their schedules: each asks, and what it saw is in the buffer before the next begins."""

import asyncio
import logging
import random
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from probes.outcome import Outcome
from probes.probe import probe
from probes.target import Target
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from siteagent.buffer import Buffer
from siteagent.clock import Clock

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Check:
    """What is probed again and again, and of which point it tells."""

    point: str
    target: Target
    interval_s: float


@dataclass(frozen=True, slots=True)
class Recorder:
    """Takes measurements: one counts when it is on the disk."""

    buffer: Buffer
    clock: Clock
    source: str
    told: asyncio.Event

    async def record(self, point: str, ask: Callable[[], Awaitable[Measurement | None]]) -> None:
        """Ask, and keep what comes of it with the moment at which the asking began."""
        began = self.clock.now()
        measurement = await ask()
        if measurement is None:
            return
        measurement.point, measurement.source = point, self.source
        await asyncio.to_thread(self.buffer.add, measurement.SerializeToString(), began)
        self.told.set()


async def run_check(check: Check, recorder: Recorder) -> None:
    """Probe at even distances from a random begin, until cancelled."""

    async def ask() -> Measurement | None:
        outcome = await probe(check.target)
        if outcome.measured:
            return measurement_of(outcome, check.target)
        LOG.warning("%s was not measured: %s", check.target.address, outcome.error)
        return None

    await at_intervals(check.interval_s, lambda: recorder.record(check.point, ask))


async def at_intervals(interval_s: float, act: Callable[[], Awaitable[None]]) -> None:
    """Act for ever; a turn whose time passed while the one before lasted is left out.

    A failure of the disk costs one measurement, not the agent.
    """
    loop = asyncio.get_running_loop()
    due = loop.time() + random.uniform(0, interval_s)  # noqa: S311 - no secret
    while True:
        await asyncio.sleep(due - loop.time())
        try:
            await act()
        except sqlite3.Error:
            LOG.exception("a measurement could not be kept")
        while due <= loop.time():
            due += interval_s


def measurement_of(outcome: Outcome, target: Target) -> Measurement:
    """Return what a probe saw as the server takes it."""
    figures = {
        "rtt_min_ms": outcome.min_ms,
        "rtt_mean_ms": outcome.mean_ms,
        "rtt_max_ms": outcome.max_ms,
        "rtt_p95_ms": outcome.p95_ms,
        "jitter_ms": outcome.jitter_ms,
        "http_ms": outcome.http_ms,
        "dns_ms": outcome.dns_ms,
        "success": outcome.success,
        "packets_sent": outcome.sent or None,
        "packets_received": outcome.received if outcome.sent else None,
    }
    given = {name: value for name, value in figures.items() if value is not None}
    return Measurement(method=target.kind.value.lower(), **given)  # type: ignore[arg-type]
