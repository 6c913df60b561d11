"""Counters of exporters as measurements: what was sent and answered from one reading to the next.

An exporter that only ever adds up says nothing of the line in one scrape, and all in two. While a
counter is read a packet may be on its way: that one is neither lost, nor found again when its
answer is counted. So lost is what is missing beyond it, and never becomes less.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Self

from monitoring.domain.samples import FILE, NAME, Key, Measured, Series, target_of

ON_ITS_WAY = 1
LONGEST_MS = 600_000
"""After a longer gap counting begins anew: nobody knows when in it something was lost."""
LARGEST = 2.0**53
"""Up to here every count is a number of its own; nothing that counts gets there."""
MS = 1000.0


class Target(NamedTuple):
    """Whose counters: a point, and who measures it."""

    point_id: str
    source: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the counters of a target said at one time, in milliseconds since 1970."""

    time_ms: int
    sent: float
    answered: float
    seconds: float
    """The sum of the round trips of all that was answered."""
    method: str = ""

    @property
    def missing(self) -> float:
        """What has no answer, since the counters began."""
        return self.sent - self.answered

    def continues(self, before: "Reading") -> bool:
        """Tell whether the counters went on since `before`, rather than begin anew."""
        return (
            self.time_ms - before.time_ms <= LONGEST_MS
            and self.sent >= before.sent
            and self.answered >= before.answered
            and self.seconds >= before.seconds
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """The last reading of a target, and how much was lost until then."""

    reading: Reading
    lost: float

    @classmethod
    def from_now(cls, reading: Reading) -> Self:
        """Begin to count."""
        return cls(reading, reading.missing)

    def until(self, reading: Reading) -> "Counted":
        """Count on."""
        return Counted(reading, max(self.lost, reading.missing - ON_ITS_WAY))


@dataclass(frozen=True, slots=True)
class _Counters:
    """The names of the counters of one exporter, as `metrics.toml` has them."""

    sent: str
    answered: str
    seconds: str
    method: str


def readings(series: Iterable[Series]) -> dict[Target, list[Reading]]:
    """Return the readings in some series, those of a target in their order of time.

    A reading without one of its counters is left out: the next one tells what it would have.
    """
    found: dict[tuple[Target, int], dict[str, float]] = {}
    for target, name, time_ms, value in _values(series):
        found.setdefault((target, time_ms), {})[name] = value
    of_targets: dict[Target, list[Reading]] = {}
    for (target, time_ms), values in sorted(found.items(), key=lambda one: one[0]):
        of_targets.setdefault(target, []).extend(_whole(time_ms, values))
    return {target: several for target, several in of_targets.items() if several}


def count(
    target: Target, before: Counted | None, several: Sequence[Reading]
) -> tuple[Counted, list[Measured]]:
    """Count on from what was known, with one reading or more in their order of time.

    Returns what is known now, and what was measured in between. A reading that is not later than
    the last one changes nothing, and neither does one before which nothing was sent.
    """
    known, found = before or Counted.from_now(several[0]), []
    for reading in several:
        if reading.time_ms <= known.reading.time_ms:
            continue
        if not reading.continues(known.reading):
            known = Counted.from_now(reading)
        elif reading.sent > known.reading.sent:
            after = known.until(reading)
            found.append(_between(target, known, after))
            known = after
    return known, found


def _between(target: Target, before: Counted, after: Counted) -> Measured:
    """Return what was measured; it began when the counters had been read before."""
    first, last = before.reading, after.reading
    sent, answered = last.sent - first.sent, last.answered - first.answered
    figures = {"packets_sent": sent, "packets_received": 0.0}
    if answered:
        figures["packets_received"] = sent - (after.lost - before.lost)
        figures["rtt_mean_ms"] = (last.seconds - first.seconds) / answered * MS
    return Measured(Key(*target, first.time_ms), last.method, figures)


def _values(series: Iterable[Series]) -> Iterator[tuple[Target, str, int, float]]:
    for one in series:
        name, target = one.labels.get(NAME, ""), target_of(one.labels)
        if name in _by_name() and target:
            for time_ms, value in one.samples:
                if 0 <= value <= LARGEST:  # and no NaN, which marks the end of a series
                    yield Target(*target), name, time_ms, value


def _whole(time_ms: int, values: Mapping[str, float]) -> Iterator[Reading]:
    for names in {_by_name()[name] for name in values}:
        if {names.sent, names.answered, names.seconds} <= values.keys():
            counted = (values[names.sent], values[names.answered], values[names.seconds])
            yield Reading(time_ms, *counted, names.method)


@cache
def _by_name() -> Mapping[str, _Counters]:
    """Return the counters of all exporters, by each of their names."""
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))
    every = [_Counters(**one) for one in read["counters"]]
    return {name: one for one in every for name in (one.sent, one.answered, one.seconds)}
