"""Resource names: `regions/64.01/points/PSR-0042` and their parts."""

import re

ANY = "-"
"""The wildcard in a parent's place: `regions/64.01/points/-` means all points."""
REGION = re.compile(r"\d{2}\.\d{2}", re.ASCII)


def ids(name: str) -> tuple[str, ...]:
    """Return the ids of a name: `regions/64.01/points/X` gives `("64.01", "X")`."""
    return tuple(name.split("/")[1::2])


def last_id(name: str) -> str:
    """Return the last id of a name, or "" for an empty name."""
    return name.rpartition("/")[2]


def region_of(name: str) -> str:
    """Return the region code that a name begins with, its tenant; "" when there is none."""
    return next(iter(ids(name)), "")


def is_region(code: str) -> bool:
    """Tell whether a text has the form of a region's code, `64.01`."""
    return REGION.fullmatch(code) is not None
