"""Where the steps of a history begin: on a grid of the region's clock that no question moves.

It counts from a Monday's midnight there, so that days are the region's days, seven of them its
weeks, and hours and minutes those of UTC.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps of one length on the clock of a region that is `offset` ahead of UTC."""

    step: timedelta
    offset: timedelta

    @property
    def origin(self) -> datetime:
        """One of the times at which a step begins."""
        return MONDAY - self.offset

    def begin(self, time: datetime) -> datetime:
        """Return the begin of the step that a time belongs to; a border belongs to the later."""
        return time - (time - self.origin) % self.step

    def end(self, time: datetime) -> datetime:
        """Return the end of the last step that lies before a time at least in part."""
        begin = self.begin(time)
        return begin if begin == time else begin + self.step

    def count(self, start: datetime, end: datetime) -> int:
        """Return how many steps it takes to cover [start, end)."""
        return (self.end(end) - self.begin(start)) // self.step

    def begins(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the begins of the steps that cover [start, end)."""
        begin = self.begin(start)
        while begin < end:
            yield begin
            begin += self.step


def piece_of(step: timedelta) -> timedelta:
    """Return what steps are made of: roll-ups of a DAY or an HOUR, or measurements (MINUTE)."""
    if step < HOUR:
        return MINUTE
    return HOUR if step % DAY else DAY


def finest_step(start: datetime, end: datetime, most: int) -> timedelta:
    """Return the smallest step that covers a span with at most `most` steps, wherever it begins."""
    raw = (end - start) / (most - 1)
    unit = MINUTE if raw <= HOUR else HOUR
    return max(MINUTE, -(-raw // unit) * unit)
