"""When each check is due: at a fixed phase of its interval, counted from 1970.

The phase is a hash of the name. So checks spread over their interval, the rate holds whatever one
of them does, and every prober has the same moments for the same check: what two of them measure at
one moment is known by its time to be the same measurement.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Moments in milliseconds since 1970: `phase_ms` after each whole interval."""

    interval_ms: int
    phase_ms: int

    @classmethod
    def of(cls, name: str, interval_ms: int) -> "Rhythm":
        """Return the rhythm of a name: always the same."""
        return cls(interval_ms, crc32(name.encode()) % interval_ms)

    def after(self, time_ms: int) -> int:
        """Return the first moment after a time."""
        return time_ms - (time_ms - self.phase_ms) % self.interval_ms + self.interval_ms


class Rhythmic(Protocol):
    """What has a name and a rhythm."""

    @property
    def name(self) -> str:
        """Its name, known once."""

    @property
    def rhythm(self) -> Rhythm:
        """When it is due."""


C = TypeVar("C", bound=Rhythmic)


@dataclass(frozen=True, slots=True)
class Due(Generic[C]):
    """One that is due, and the moment that it is due at."""

    item: C
    moment_ms: int


@dataclass(slots=True)
class Agenda(Generic[C]):
    """What is due next, and what is under way: nothing is begun twice at a time."""

    skipped: int = 0
    """How many moments passed while the one before was still under way, or nobody looked."""
    _items: dict[str, C] = field(default_factory=dict)
    _moments: list[tuple[int, str]] = field(default_factory=list)
    _next: dict[str, int] = field(default_factory=dict)
    _under_way: set[str] = field(default_factory=set)

    def replace(self, items: Iterable[C], now_ms: int) -> None:
        """Have these items from now on; one that stays as it was keeps its next moment."""
        wanted = {item.name: item for item in items}
        for name in self._items.keys() - wanted.keys():
            del self._next[name]
        for name, item in wanted.items():
            if self._items.get(name) != item:
                self._expect(name, item.rhythm.after(now_ms))
        self._items = wanted

    @property
    def next_ms(self) -> int | None:
        """The next moment at which something is due; None while there is nothing."""
        while self._moments and self._is_old(self._moments[0]):
            heapq.heappop(self._moments)
        return self._moments[0][0] if self._moments else None

    def begin(self, now_ms: int) -> Iterator[Due[C]]:
        """Yield what is due and not under way, each once; it is under way then."""
        while (moment := self.next_ms) is not None and moment <= now_ms:
            _, name = heapq.heappop(self._moments)
            item = self._items[name]
            latest = item.rhythm.after(now_ms) - item.rhythm.interval_ms
            self.skipped += (latest - moment) // item.rhythm.interval_ms
            self._expect(name, latest + item.rhythm.interval_ms)
            if name in self._under_way:
                self.skipped += 1
                continue
            self._under_way.add(name)
            yield Due(item, latest)

    def end(self, due: Due[C]) -> None:
        """Note that one is not under way any more."""
        self._under_way.discard(due.item.name)

    def _expect(self, name: str, moment_ms: int) -> None:
        self._next[name] = moment_ms
        heapq.heappush(self._moments, (moment_ms, name))

    def _is_old(self, entry: tuple[int, str]) -> bool:
        moment, name = entry
        return self._next.get(name) != moment
