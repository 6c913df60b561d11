"""The history of a point in equal steps, each with what was measured and what is missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.domain.expectation import filled, missing_share
from monitoring.domain.grid import Grid
from monitoring.domain.summary import Summary, added

NOTHING = Summary(0)


@dataclass(frozen=True, slots=True)
class Part:
    """What one source measured in a stretch of time that begins at `start`."""

    source: str
    start: datetime
    summary: Summary


@dataclass(frozen=True, slots=True)
class Span:
    """The steps that are asked for: those of `grid` that cover [start, end)."""

    grid: Grid
    start: datetime
    end: datetime

    @property
    def reach(self) -> tuple[datetime, datetime]:
        """The begin of the first step and the end of the last."""
        return self.grid.begin(self.start), self.grid.end(self.end)

    def begins(self, length: timedelta) -> Iterator[datetime]:
        """Yield the begins of the steps, or of the pieces of them that are so long."""
        return Grid(length, self.grid.offset).begins(*self.reach)

    def count(self, length: timedelta) -> int:
        """Return how many steps, or pieces of them that are so long, there are."""
        return Grid(length, self.grid.offset).count(*self.reach)


@dataclass(frozen=True, slots=True)
class Bucket:
    """One step of a history."""

    start: datetime
    end: datetime
    summary: Summary
    expected: float | None
    """How many measurements there should be; None when nobody knows."""

    @property
    def missing_share(self) -> float | None:
        """Which part of them is missing, 0 to 1; None when nobody knows."""
        return missing_share(self.summary.measurements, self.expected)


def buckets(
    span: Span, parts: Sequence[Part], expected: Mapping[datetime, float]
) -> Iterator[Bucket]:
    """Yield the steps in their order, also those without measurements."""
    found: dict[datetime, list[Summary]] = {}
    for part in parts:
        found.setdefault(span.grid.begin(part.start), []).append(part.summary)
    for begin in span.begins(span.grid.step):
        summary = added(found[begin]) if begin in found else NOTHING
        yield Bucket(begin, begin + span.grid.step, summary, expected.get(begin))


def intervals_of(
    span: Span, length: timedelta, parts: Iterable[Part], of_parts: Grid
) -> dict[str, list[float | None]]:
    """Return each source's interval in each piece of a span, in seconds, as some parts tell it.

    The parts are those that `of_parts` makes; a piece has the interval of the one it begins in.
    """
    known = {(part.source, part.start): part.summary.interval_s for part in parts}
    begins = [of_parts.begin(begin) for begin in span.begins(length)]
    return {
        source: [known.get((source, begin)) for begin in begins]
        for source in {source for source, _ in known}
    }


def expected_counts(
    span: Span, intervals: Mapping[str, Sequence[float | None]], length: timedelta, now: datetime
) -> dict[datetime, float]:
    """Return how many measurements each step should have, where that is known.

    `intervals` holds for each source the seconds from one measurement to the next in each piece of
    `length` of the span; a piece where none is known has that of its neighbours. What lies after
    `now` is not expected yet.
    """
    found: dict[datetime, float] = {}
    for of_source in intervals.values():
        for begin, interval in zip(span.begins(length), filled(of_source), strict=True):
            seconds = (min(begin + length, now) - begin).total_seconds()
            if interval and seconds > 0:
                step = span.grid.begin(begin)
                found[step] = found.get(step, 0.0) + seconds / interval
    return found
