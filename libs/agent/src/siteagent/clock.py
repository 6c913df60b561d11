"""Time on a machine whose clock may be wrong: a router without a battery wakes in another year.

Measurements and intervals are timed by the time since the boot, which never jumps. How it belongs
to the server's time is estimated from the server's answers; the machine's own clock counts only
for what was measured in an earlier boot during which the server was never reached.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SAMPLES = 8
US = 1000
"""Nanoseconds in a microsecond."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment as this machine sees it."""

    boot: str
    since_boot_us: int
    wall_us: int


@dataclass(slots=True)
class Clock:
    """The machine's clocks, and what is known of the server's.

    Of the last answers the one that took the shortest time is believed: the server's time then
    lies in the middle between question and answer, wrong by half of that time at most.
    """

    boot: str = field(default_factory=lambda: BOOT_ID.read_text(encoding="ascii").strip())
    _last_us: int = 0
    _samples: "deque[tuple[int, int]]" = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def now(self) -> Instant:
        """Return this moment; no two are the same."""
        since_boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // US
        self._last_us = max(since_boot_us, self._last_us + 1)
        return Instant(self.boot, self._last_us, time.time_ns() // US)

    def learn(self, asked: Instant, answered: Instant, server_us: int) -> None:
        """Learn from an answer that told the server's time."""
        took_us = answered.since_boot_us - asked.since_boot_us
        middle_us = asked.since_boot_us + took_us // 2
        self._samples.append((took_us, server_us - middle_us))

    def forget(self) -> None:
        """Forget what was learnt: the server says that it is wrong."""
        self._samples.clear()

    @property
    def offset_us(self) -> int | None:
        """What makes the server's time of the time since the boot; None before any answer."""
        return min(self._samples)[1] if self._samples else None

    def server_us(self, moment: Instant) -> int:
        """Return the server's time at a moment, as well as it is known."""
        offset_us = self.offset_us
        return moment.wall_us if offset_us is None else moment.since_boot_us + offset_us

    def skew_ms(self, moment: Instant) -> int:
        """Return by how much this machine's own clock is before the server's; 0 when not known."""
        return (moment.wall_us - self.server_us(moment)) // US
