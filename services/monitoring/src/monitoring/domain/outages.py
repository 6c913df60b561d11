"""The outages of a point: from its first silence to its first answer, short recoveries within."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from monitoring.domain.timeline import State

SHORT = timedelta(minutes=15)
"""A recovery that is shorter does not end an outage."""
ANSWERED = (State.UP, State.DEGRADED)


class Interval(NamedTuple):
    """A span in which a point's state was the same; no end while it lasts."""

    start: datetime
    end: datetime | None
    state: State


@dataclass(frozen=True, slots=True)
class Outage:
    """One outage, half-open in UTC; no end while nobody has seen the point answer."""

    start: datetime
    end: datetime | None
    falls: tuple[datetime, ...]
    """When the point went down: first at the start, then after each short recovery."""


def outages(intervals: Iterable[Interval]) -> list[Outage]:
    """Return the outages in some intervals of a point that follow each other.

    UNKNOWN ends none: who was down and is not measured any more has not been seen to answer.
    """
    found: list[Outage] = []
    for start, _, state in intervals:
        last = found[-1] if found else None
        if state is State.DOWN:
            if last and (last.end is None or start - last.end < SHORT):
                found[-1] = Outage(last.start, None, (*last.falls, start))
            else:
                found.append(Outage(start, None, (start,)))
        elif state in ANSWERED and last and last.end is None:
            found[-1] = replace(last, end=start)
    return found
