"""What maintenance windows make of a point's timeline: the same time, cut where they turn."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from monitoring.domain.timeline import State


@dataclass(frozen=True, slots=True, order=True)
class Cover:
    """A window covers the point in [start, end); `end` is None while it lasts."""

    start: datetime
    window: str
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the timeline: what was measured, and the window that covered it ("" for none)."""

    start: datetime
    end: datetime | None
    measured: State
    reason: str
    window: str = ""


def in_force(covers: Iterable[Cover], now: datetime) -> list[Cover]:
    """Return which window is told at what time, in order and without an overlap, until `now`.

    Of several it is the one that began first, until it ends. One that lasts has no end.
    """
    found: list[Cover] = []
    reached: datetime | None = None
    begun = sorted((cover for cover in covers if cover.start <= now), key=_in_order)
    for cover in begun:
        start = max(cover.start, reached) if reached else cover.start
        end = None if cover.end is None or cover.end > now else cover.end
        if end is not None and end <= start:
            continue
        if found and (found[-1].end, found[-1].window) == (start, cover.window):
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(Cover(start, cover.window, end))
        if end is None:
            break
        reached = end
    return found


def overlaid(timeline: Iterable[Piece], covers: Sequence[Cover]) -> list[Piece]:
    """Return a timeline of measurements cut by the covers that `in_force` returned."""
    return [piece for measured in timeline for piece in _cut(measured, covers)]


def edges(covers: Iterable[Cover]) -> list[datetime]:
    """Return the times at which a timeline is cut."""
    return sorted({time for cover in covers for time in (cover.start, cover.end) if time})


def _cut(measured: Piece, covers: Sequence[Cover]) -> Iterator[Piece]:
    at = measured.start
    for cover in covers:
        start, end = max(cover.start, at), _sooner(cover.end, measured.end)
        if _ends(start, measured.end) or _ends(start, end):
            continue
        if start > at:
            yield replace(measured, start=at, end=start)
        yield replace(measured, start=start, end=end, window=cover.window)
        if end is None:
            return
        at = end
    if not _ends(at, measured.end):
        yield replace(measured, start=at)


def _in_order(cover: Cover) -> tuple[datetime, str]:
    return cover.start, cover.window


def _ends(time: datetime, end: datetime | None) -> bool:
    return end is not None and end <= time


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((time for time in (one, other) if time), default=None)
