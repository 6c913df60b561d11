"""A figure's spread as bytes: two to three for each bin, where JSON takes ten.

Sum, least and greatest as they are; then, as variable-length integers of seven bits a byte: the
zeros, and for each bin in order how far it is from the one before, and its count. The first bin's
index may be negative and is counted from `LOWEST`.
"""

import struct
from collections.abc import Iterator
from itertools import islice, pairwise

from monitoring.domain.histogram import Histogram
from monitoring.domain.summary import Spread

HEAD = struct.Struct("<dff")
LOWEST = -40_000
"""Below the bin of the least number that a computer has."""
SEVEN_BITS = 7
MORE = 0x80


def packed(spread: Spread) -> bytes:
    """Return the spread as bytes; least and greatest are rounded to single precision."""
    found = bytearray(HEAD.pack(spread.total, spread.least, spread.greatest))
    _append(found, spread.histogram.zeros)
    bins = spread.histogram.bins
    ordered = sorted(bins)
    for before, index in pairwise([LOWEST, *ordered]):
        _append(found, index - before)
        _append(found, bins[index])
    return bytes(found)


def unpacked(stored: bytes) -> Spread:
    """Return the spread that `packed` wrote."""
    numbers = _numbers(stored)
    zeros, index, bins = next(numbers), LOWEST, dict[int, int]()
    for step in numbers:
        index += step
        bins[index] = next(numbers)
    total, least, greatest = HEAD.unpack_from(stored)
    return Spread(total, least, greatest, Histogram(zeros, bins))


def _append(found: bytearray, number: int) -> None:
    while number >= MORE:
        found.append(number & (MORE - 1) | MORE)
        number >>= SEVEN_BITS
    found.append(number)


def _numbers(stored: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in islice(stored, HEAD.size, None):
        number |= (byte & (MORE - 1)) << shift
        shift += SEVEN_BITS
        if byte < MORE:
            yield number
            number = shift = 0
