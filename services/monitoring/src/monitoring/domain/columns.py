"""Measurements as columns: the form in which many of them are judged, sorted and stored at once.

Nothing here looks at one measurement after the other; whoever needs one takes it out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]
PACKETS = ("packets_sent", "packets_received")
REALS = (
    "rtt_min_ms",
    "rtt_mean_ms",
    "rtt_max_ms",
    "rtt_p95_ms",
    "jitter_ms",
    "http_ms",
    "dns_ms",
    "download_mbps",
    "upload_mbps",
)
NOT_GIVEN = -1
"""Of packets and `success`; a real number that was not measured is NaN, which none may be."""
NO_ANSWER = -1.0
"""Of an attempt."""
NEVER_US = np.iinfo(np.int64).min
HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """A column of texts: those that occur, sorted, and the place therein of each row's."""

    values: tuple[str, ...]
    of: Numbers

    @classmethod
    def of_rows(cls, rows: Sequence[str]) -> Self:
        """Return the column of some texts."""
        values = tuple(sorted(set(rows)))
        places = {value: place for place, value in enumerate(values)}
        return cls(values, np.fromiter(map(places.__getitem__, rows), np.int32, len(rows)))

    def take(self, rows: Numbers | slice) -> "Texts":
        """Return the column of some rows."""
        return Texts(self.values, self.of[rows])

    def compact(self) -> "Texts":
        """Return the same column without texts that no row has."""
        used = np.bincount(self.of, minlength=len(self.values)) > 0
        places = np.cumsum(used, dtype=np.int32) - 1
        return Texts(tuple(compress(self.values, used.tolist())), places[self.of])

    def where(self, says: Callable[[str], bool]) -> NDArray[np.bool_]:
        """Tell of each row what `says` tells of its text; it is asked once for each text."""
        return np.fromiter(map(says, self.values), np.bool_, len(self.values))[self.of]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Measurements; each column has an entry for each of them."""

    point: Texts
    """Their names: `regions/64.01/points/X`."""
    source: Texts
    method: Texts
    time_us: Numbers
    """Since 1970."""
    figures: Mapping[str, Numbers]
    """PACKETS (int16), REALS (float32) and `success` (int8: 0 or 1)."""
    expiry_us: Numbers
    """Of a certificate, since 1970; NEVER_US for none."""
    attempts: Numbers
    """A row of float32 each, filled up with NaN."""

    def __len__(self) -> int:
        return len(self.time_us)

    def take(self, rows: Numbers | slice) -> "Columns":
        """Return some rows, by their numbers, by a mask or from one to another."""
        return Columns(
            self.point.take(rows),
            self.source.take(rows),
            self.method.take(rows),
            self.time_us[rows],
            {name: column[rows] for name, column in self.figures.items()},
            self.expiry_us[rows],
            self.attempts[rows],
        )

    def distinct(self) -> "Columns":
        """Return them by point, time and source, of those that are the same the first one."""
        order = np.lexsort((self.source.of, self.time_us, self.point.of))
        keys = (self.point.of[order], self.time_us[order], self.source.of[order])
        first = np.ones(len(order), np.bool_)
        first[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
        return self.take(order[first])

    def spans(self) -> dict[str, slice]:
        """Return the rows of each point that has some, once they are sorted by point."""
        bounds = np.searchsorted(self.point.of, np.arange(len(self.point.values) + 1))
        spans = zip(self.point.values, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        return {point: slice(start, end) for point, start, end in spans if start < end}


def joined(parts: Sequence[Columns]) -> Columns:
    """Return all of some batches as one, in their order."""
    if len(parts) == 1:
        return parts[0]
    widest = max(part.attempts.shape[1] for part in parts)
    return Columns(
        _joined([part.point for part in parts]),
        _joined([part.source for part in parts]),
        _joined([part.method for part in parts]),
        np.concatenate([part.time_us for part in parts]),
        {name: np.concatenate([part.figures[name] for part in parts]) for name in parts[0].figures},
        np.concatenate([part.expiry_us for part in parts]),
        np.concatenate([_widened(part.attempts, widest) for part in parts]),
    )


def _joined(parts: Sequence[Texts]) -> Texts:
    values = tuple(sorted({value for part in parts for value in part.values}))
    places = {value: place for place, value in enumerate(values)}
    moved = (np.array([places[value] for value in part.values], np.int32) for part in parts)
    return Texts(
        values, np.concatenate([to[part.of] for to, part in zip(moved, parts, strict=True)])
    )


def _widened(attempts: Numbers, width: int) -> Numbers:
    missing = width - attempts.shape[1]
    if not missing:
        return attempts
    return np.pad(attempts, ((0, 0), (0, missing)), constant_values=np.nan)
