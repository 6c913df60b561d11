"""Whose turn it is: files are heavy, so only some are worked on at once, the others wait.

Those that wait hold no connection, so that other calls still find one.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONCE = 3


class Turns:
    """At most `AT_ONCE` files in this process, and one import at a time into a region."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)
        self._regions: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def any(self) -> AsyncIterator[None]:
        """Wait for a place."""
        async with self._places:
            yield

    @asynccontextmanager
    async def alone_in(self, region: str) -> AsyncIterator[None]:
        """Wait until nobody else of this process writes a file into the region, and for a place."""
        async with self._regions[region], self._places:
            yield
