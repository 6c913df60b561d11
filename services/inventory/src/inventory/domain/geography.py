"""Where a position lies against the polygons of villages, districts and regions."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

import shapely
from shapely.geometry.base import BaseGeometry

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius (IUGG)."""
TOLERANCE_M = 50
"""The shipped polygons are simplified by up to 0.0004° (44 m); nearer is no finding."""


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something odd about a location: why, a sentence, and how far off in metres."""

    reason: str
    message: str
    distance_m: float


class Boundaries:
    """The polygons of one region by code: its own, its districts' and its villages'."""

    def __init__(self, polygons: Mapping[str, BaseGeometry]) -> None:
        self._polygons = dict(polygons)
        for polygon in self._polygons.values():
            shapely.prepare(polygon)

    def __contains__(self, code: str) -> bool:
        return code in self._polygons

    def distance_m(self, code: str, latitude: float, longitude: float) -> float:
        """Return how far the position lies outside the polygon of `code`; 0 inside.

        The nearest place is searched in degrees, which at Indonesia's latitudes (below 11°)
        misjudges the direction by less than 2 %; the distance itself is a great circle's.
        """
        polygon = self._polygons[code]
        if shapely.contains_xy(polygon, longitude, latitude):
            return 0.0
        here = shapely.Point(longitude, latitude)
        line = shapely.shortest_line(here, polygon)
        (_, (east, north)) = line.coords
        return distance_m(latitude, longitude, north, east)

    def oddities(self, area: str, region: str, latitude: float, longitude: float) -> list[Oddity]:
        """Return what is odd about a point of `area` (a village or district code) lying here."""
        found = []
        for code, what in ((area, _level(area)), (region, "REGION")):
            off = self.distance_m(code, latitude, longitude) if code in self else 0.0
            if off > TOLERANCE_M:
                sentence = f"the location lies {_far(off)} outside {what.lower()} {code}"
                found.append(Oddity(f"OUTSIDE_{what}", sentence, round(off, 1)))
        return found


def distance_m(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Return the great-circle distance in metres between two positions in degrees (haversine)."""
    half_lat = radians(lat2 - lat1) / 2
    half_lon = radians(lon2 - lon1) / 2
    a = sin(half_lat) ** 2 + cos(radians(lat1)) * cos(radians(lat2)) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * asin(sqrt(min(a, 1.0)))


def _level(code: str) -> str:
    return "VILLAGE" if code.count(".") == 3 else "DISTRICT"  # noqa: PLR2004 - 64.01.06.2012


def _far(metres: float) -> str:
    return f"{metres:.0f} m" if metres < 1000 else f"{metres / 1000:.1f} km"  # noqa: PLR2004
