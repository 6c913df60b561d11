"""The places of a region that a row of a file may name."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Places:
    """The villages and districts of a region, by code and by lower-case name and alias."""

    region: str
    districts_of_villages: Mapping[str, str]
    """Village code → district code."""
    districts: frozenset[str]
    village_names: Mapping[str, str]
    """Name → code; a name that two places bear is left out."""
    district_names: Mapping[str, str]
