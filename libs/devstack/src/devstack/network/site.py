"""A place that a line of the simulated network leads to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A point that a line of the simulated network leads to."""

    point: str
    """Its id, such as `DES-64.01.06.2012`."""
    display_name: str
    district: str
    """The district's code, such as `64.01.06`; "" when nobody knows."""
    district_name: str
    technology: str
    address: str
