"""Which day it is in a region: Indonesia's three time zones, by the region's province.

Keputusan Presiden 41/1987. All are whole hours and none has summer time, so that a day there is 24
hours of UTC and begins at a full one.
"""

from datetime import timedelta

WIB = timedelta(hours=7)
WITA = timedelta(hours=8)
WIT = timedelta(hours=9)
BY_PROVINCE = {"61": WIB, "62": WIB}
"""Where Kalimantan is parted: its west and middle."""
BY_ISLANDS = {
    "1": WIB,
    "2": WIB,
    "3": WIB,
    "5": WITA,
    "6": WITA,
    "7": WITA,
    "8": WIT,
    "9": WIT,
}
"""By the first digit of the province's code (Kemendagri), which stands for a group of islands."""


def offset_of(region: str) -> timedelta:
    """Return how far a region's clocks are ahead of UTC: 8 hours for `64.01`.

    A code that belongs to no province has UTC.
    """
    by_islands = BY_ISLANDS.get(region[:1], timedelta())
    return BY_PROVINCE.get(region[:2], by_islands)
