"""A point's measurements in their order of time, as the engine takes them: many at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Self

import numpy as np

from monitoring.domain.columns import NOT_GIVEN, Columns, Numbers
from monitoring.domain.observation import Observation, Verdict
from monitoring.domain.rules import DEFAULT, Rules, rules_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DEFAULT_RULES = rules_of(DEFAULT)
NOTHING = -1
"""The verdict of a measurement that says nothing about the line."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Measurements that say something about the line, in order."""

    times_us: Numbers
    verdicts: Numbers
    seen: Callable[[int], Observation]
    """One of them by its place."""

    @classmethod
    def of_observations(cls, seen: Sequence[Observation], rules: Rules) -> Self:
        """Return measurements that are in order."""
        judged = [(one, verdict) for one in seen if (verdict := one.verdict(rules)) is not None]
        kept = [one for one, _ in judged]
        times = np.array([in_us(one.time) for one in kept], np.int64)
        return cls(times, np.array([verdict for _, verdict in judged], np.int8), kept.__getitem__)

    def __len__(self) -> int:
        return len(self.times_us)

    @property
    def first(self) -> datetime:
        """The time of the first of them."""
        return time_of(self.times_us[0])

    def run_ends(self, rules: Rules) -> list[int]:
        """Return where each stretch ends that is of one verdict and without an expiry."""
        fresh_us = timedelta(seconds=rules.fresh_s) // MICROSECOND
        breaks = (np.diff(self.verdicts) != 0) | (np.diff(self.times_us) > fresh_us)
        return [*(np.flatnonzero(breaks) + 1).tolist(), len(self.times_us)]


def series_in(columns: Columns, rules: Mapping[str, Rules]) -> dict[str, Series]:
    """Return the measurements of each point, by its name, out of columns that are sorted."""
    found, every = verdicts(columns, rules), {}
    for name, rows in columns.spans().items():
        says = np.flatnonzero(found[rows] != NOTHING) + rows.start
        every[name] = Series(columns.time_us[says], found[says], _seen(columns, says))
    return every


def _seen(columns: Columns, rows: Numbers) -> Callable[[int], Observation]:
    return lambda place: observation(columns, int(rows[place]))


def verdicts(columns: Columns, rules: Mapping[str, Rules]) -> Numbers:
    """Return what each measurement says, as `Observation.verdict` does; NOTHING for None."""
    of_points = [rules.get(name, DEFAULT_RULES) for name in columns.point.values]
    slow_ms = np.array([one.slow_ms for one in of_points])[columns.point.of]
    most_lost = np.array([one.loss for one in of_points])[columns.point.of]
    figures = columns.figures
    sent, received = figures["packets_sent"], figures["packets_received"]
    success, rtt_ms = figures["success"], figures["rtt_mean_ms"].astype(np.float64)
    asked = sent > 0
    silent = (success == 0) | (asked & (received <= 0))
    nothing = ~asked & (success == NOT_GIVEN) & np.isnan(rtt_ms)
    lost = np.where(asked, 1 - np.maximum(received, 0) / np.maximum(sent, 1), 0)
    poor = (lost > most_lost) | (rtt_ms > slow_ms)
    found = np.where(poor, Verdict.POOR, Verdict.GOOD)
    return np.where(silent, Verdict.SILENT, np.where(nothing, NOTHING, found)).astype(np.int8)


def observation(columns: Columns, row: int) -> Observation:
    """Return a measurement out of its columns."""
    figures = columns.figures
    sent, received, success = (
        None if figures[name][row] == NOT_GIVEN else int(figures[name][row])
        for name in ("packets_sent", "packets_received", "success")
    )
    rtt_ms = float(figures["rtt_mean_ms"][row])
    return Observation(
        time_of(columns.time_us[row]),
        columns.source.values[columns.source.of[row]],
        sent,
        received,
        None if isnan(rtt_ms) else rtt_ms,
        None if success is None else bool(success),
    )


def in_us(time: datetime) -> int:
    """Return microseconds since 1970."""
    return (time - EPOCH) // MICROSECOND


def time_of(us: int) -> datetime:
    """Return the time that is so many microseconds after the begin of 1970."""
    return EPOCH + timedelta(microseconds=int(us))
