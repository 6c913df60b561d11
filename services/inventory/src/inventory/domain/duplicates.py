"""Points that may have been entered twice: near, alike in name, or one NPSN."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import cos, radians

import shapely
from rapidfuzz import fuzz, process

from inventory.domain.geography import distance_m

SIMILAR = 88.0
"""Names this alike (0 to 100, word order ignored) are taken for one; found by trying on Paser's."""
METRES_PER_DEGREE = 111_195.0
HIGHEST_LATITUDE = 60.0

NEAR, SIMILAR_NAME, SAME_NPSN = "NEAR", "SIMILAR_NAME", "SAME_NPSN"


@dataclass(frozen=True, slots=True)
class Place:
    """What is compared of a point. `village` and `npsn` may be empty, the position absent."""

    point_id: str
    display_name: str
    village: str
    position: tuple[float, float] | None
    """Latitude and longitude in degrees."""
    npsn: str


@dataclass(slots=True)
class Pair:
    """Two places, by index, that may be one, and why."""

    first: int
    second: int
    distance_m: float | None
    name_similarity: float
    reasons: list[str] = field(default_factory=list)

    @property
    def rank(self) -> tuple[int, float, float]:
        """The likelier, the smaller."""
        far = float("inf") if self.distance_m is None else self.distance_m
        return (-len(self.reasons), -self.name_similarity, far)


def find_duplicates(places: Sequence[Place], near_m: float) -> list[Pair]:
    """Return the pairs of places that may be one, the likeliest first.

    A pair is near under `near_m` metres, alike when the names in one village are SIMILAR and hold
    the same numbers ("SD 001" and "SD 002" are two schools), or has one NPSN.
    """
    pairs: dict[tuple[int, int], Pair] = {}
    finders = (
        (NEAR, _near(places, near_m)),
        (SIMILAR_NAME, _alike(places)),
        (SAME_NPSN, _npsn(places)),
    )
    for reason, found in finders:
        for first, second in found:
            key = (first, second) if first < second else (second, first)
            if key not in pairs:
                pairs[key] = _pair(places, *key)
            pairs[key].reasons.append(reason)
    return sorted(pairs.values(), key=lambda pair: pair.rank)


def _pair(places: Sequence[Place], first: int, second: int) -> Pair:
    a, b = places[first], places[second]
    apart = distance_m(*a.position, *b.position) if a.position and b.position else None
    return Pair(first, second, apart, round(_similarity(a.display_name, b.display_name), 1))


def _near(places: Sequence[Place], near_m: float) -> Iterator[tuple[int, int]]:
    located = [index for index, place in enumerate(places) if place.position]
    if not located:
        return
    positions = [places[index].position or (0.0, 0.0) for index in located]
    points = shapely.points([(longitude, latitude) for latitude, longitude in positions])
    widest = max(abs(latitude) for latitude, _ in positions)
    reach = near_m / METRES_PER_DEGREE / cos(radians(min(widest, HIGHEST_LATITUDE))) * 1.01
    left, right = shapely.STRtree(points).query(points, predicate="dwithin", distance=reach)
    for one, other in zip(left.tolist(), right.tolist(), strict=True):
        if one < other and distance_m(*positions[one], *positions[other]) < near_m:
            yield located[one], located[other]


def _alike(places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        if place.village:
            groups[place.village, _numbers(place.display_name)].append(index)
    for members in groups.values():
        names = [_comparable(places[index].display_name) for index in members]
        scores = process.cdist(names, names, scorer=fuzz.token_sort_ratio, score_cutoff=SIMILAR)
        for one, other in zip(*scores.nonzero(), strict=True):
            if one < other:
                yield members[one], members[other]


def _npsn(places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    holders: dict[str, list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        if place.npsn:
            holders[place.npsn].append(index)
    for members in holders.values():
        yield from ((members[0], other) for other in members[1:])


def _similarity(one: str, other: str) -> float:
    return fuzz.token_sort_ratio(_comparable(one), _comparable(other))


def _comparable(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())


def _numbers(name: str) -> str:
    return " ".join(number.lstrip("0") for number in re.findall(r"\d+", name))
