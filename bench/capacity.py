"""What an installation of so many points needs, computed from what was measured: `bench/README.md`.

`.venv/bin/python bench/capacity.py` prints the tables of docs/operations.md; a test compares them.
"""

import math
from dataclasses import dataclass

from table import Table

# Measured on 2026-11-26 (2 cores, Intel Xeon, virtual) by the named part of the benchmarks.
WRITER_CPU_S = 8.9e-6  # ingest: monitoring's, per measurement, in reports of 975
DATABASE_CPU_S = 5.0e-6  # ingest: PostgreSQL's 4.2 and NATS's 0.8
STORED_PER_S = 99_092  # ingest: one process of monitoring, beside its load generator
CHECKS_PER_CORE_S = 4_074  # prober: 5 packets a check
LISTS_PER_S = 579  # reads: lists of 100 points through one gateway and one inventory
ROW_BYTES = 184  # storage: with the index of its key
HOURLY_BYTES = 449  # storage: a point's hour of one source
DAILY_BYTES = 601  # storage: a point's day of one source
STREAM_BYTES = 199  # storage: one measurement a message, the worst case
MIB = {"gateway": 141, "inventory": 80, "monitoring": 119, "prober": 82}  # storage: PSS

# Settings and habits: change them here, and the tables with them.
INTERVAL_S = 60
RAW_DAYS, HOURLY_DAYS, STREAM_DAYS = 35, 730, 7
READS_PER_REGENCY = 5.0  # 50 people, each looking at a new list of 100 every 10 s
LOAD = 0.5  # how much of what was measured a process shall bear
FEWEST = 2  # replicas, so that one may stop
GIB = 1024**3
DAY_S = 86_400
MONTH_DAYS = 30


@dataclass(frozen=True, slots=True)
class Installation:
    """So many regencies with so many points together, each with one check a minute."""

    name: str
    regencies: int
    points: int

    @property
    def per_s(self) -> float:
        """Return the measurements a second, which are the prober's checks too."""
        return self.points / INTERVAL_S

    @property
    def replicas(self) -> dict[str, int]:
        """Return how many processes of each service bear it."""
        reads = _processes(self.regencies * READS_PER_REGENCY, LISTS_PER_S)
        return {
            "gateway": reads,
            "inventory": reads,
            "monitoring": _processes(self.per_s, STORED_PER_S),
            "prober": _processes(self.per_s, CHECKS_PER_CORE_S),
        }

    @property
    def cores(self) -> dict[str, float]:
        """Return the cores that are busy on average."""
        pair = self.regencies * READS_PER_REGENCY / LISTS_PER_S * 2  # both cores were busy
        return {
            "reads": pair,
            "writer": self.per_s * WRITER_CPU_S,
            "servers": self.per_s * DATABASE_CPU_S,
            "prober": self.per_s / CHECKS_PER_CORE_S,
        }

    @property
    def memory_mib(self) -> int:
        """Return what all processes of ours hold together."""
        return sum(count * MIB[name] for name, count in self.replicas.items())

    @property
    def disk(self) -> dict[str, float]:
        """Return the bytes on disk, of one copy, once old days are dropped."""
        daily = self.per_s * DAY_S
        return {
            "raw": daily * RAW_DAYS * ROW_BYTES,
            "hourly": self.points * 24 * HOURLY_DAYS * HOURLY_BYTES,
            "daily, a year": self.points * 365 * DAILY_BYTES,
            "stream": daily * STREAM_DAYS * STREAM_BYTES,
        }

    @property
    def month(self) -> float:
        """Return the bytes that a month adds before anything is dropped."""
        rows = self.per_s * DAY_S * ROW_BYTES
        return MONTH_DAYS * (rows + self.points * (24 * HOURLY_BYTES + DAILY_BYTES))


INSTALLATIONS = (
    Installation("Paser", 1, 300),
    Installation("ten regencies", 10, 10_000),
    Installation("the nation", 514, 150_000),
)


def work() -> Table:
    """Return the table of what works: replicas, cores, memory."""
    headings = ("installation", "points", "measurements/s")
    table = Table("work", (*headings, *MIB, "cores busy", "memory MiB"))
    for one in INSTALLATIONS:
        counts = (str(count) for count in one.replicas.values())
        first = (one.name, f"{one.points:,}", f"{one.per_s:,.0f}")
        table.add(*first, *counts, f"{sum(one.cores.values()):.2f}", f"{one.memory_mib:,}")
    return table


def disk() -> Table:
    """Return the table of what is stored, in GiB of one copy."""
    parts = (*INSTALLATIONS[0].disk, "a month adds")
    table = Table("disk", ("installation", "measurements a month", *parts))
    for one in INSTALLATIONS:
        stored = (_gib(value) for value in (*one.disk.values(), one.month))
        table.add(one.name, f"{one.per_s * DAY_S * MONTH_DAYS / 1e6:,.0f} million", *stored)
    return table


def _processes(wanted: float, measured: float) -> int:
    return max(FEWEST, math.ceil(wanted / (measured * LOAD)))


def _gib(value: float) -> str:
    return f"{value / GIB:,.1f}"


if __name__ == "__main__":
    print(work(), disk(), sep="\n")
