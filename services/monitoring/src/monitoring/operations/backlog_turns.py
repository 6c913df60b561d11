"""Backlogs give way: of large batches only some are worked on at once, so that live ones pass by.

When the link of many sites returns, each sends what it kept. A queue of that would hold up
everybody; so whoever finds no turn is sent away, and comes again at a moment of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from common.errors import Kind, ServiceError

AT_ONCE = 2
"""In this process; more are no faster, for each is work for the processor."""
LARGE_BYTES = 16 * 1024
"""Some 150 measurements; a batch of live ones is smaller."""


class BacklogCrowded(ServiceError):
    """Enough large batches are worked on; this one was not looked at."""

    kind = Kind.UNAVAILABLE
    reason = "BACKLOG_CROWDED"
    retry_after_s = 30.0


class BacklogTurns:
    """The turns of one process."""

    def __init__(self) -> None:
        self._free = AT_ONCE

    @contextmanager
    def turn(self, size: int) -> Iterator[None]:
        """Hold a turn while a batch of so many bytes is worked on; small ones need none.

        Raises:
            BacklogCrowded: All turns are taken.
        """
        if size <= LARGE_BYTES:
            yield
            return
        if not self._free:
            raise BacklogCrowded("other backlogs are being taken; send this one later")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
