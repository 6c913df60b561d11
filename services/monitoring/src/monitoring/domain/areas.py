"""When many points that go down are one incident: those of a district, or of a provider."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from math import ceil
from typing import NamedTuple

from monitoring.domain.incident import Scope
from monitoring.domain.priority import sections


class Area(NamedTuple):
    """A district by its code, or a provider by its id."""

    scope: Scope
    area_id: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A point that is down: since when, and what it is a part of."""

    incident_id: str
    start: datetime
    district: str
    areas: frozenset[Area]
    upstreams: frozenset[str] = frozenset()
    """The points that its lines go through."""


@dataclass(frozen=True, slots=True)
class AreaRules:
    """The table `area` of `incidents.toml`."""

    within_s: float
    at_least: int
    share: float
    provider_at_least: int
    provider_districts: int

    @property
    def within(self) -> timedelta:
        """How far apart failures may begin that belong together."""
        return timedelta(seconds=self.within_s)

    def needed(self, area: Area, points: int) -> int:
        """Return how many of an area's points must fail at once to make one incident of it."""
        least = self.at_least if area.scope is Scope.DISTRICT else self.provider_at_least
        return max(least, ceil(self.share * points))


def failing_together(
    area: Area, failures: Iterable[Failure], points: int, rules: AreaRules
) -> list[Failure]:
    """Return those failures of an area that began within minutes of enough others; [] for none."""
    found = sorted((f for f in failures if area in f.areas), key=lambda f: f.start)
    needed = rules.needed(area, points)
    members: list[Failure] = []
    first = taken = 0
    for last, failure in enumerate(found):
        while failure.start - found[first].start > rules.within:
            first += 1
        if last - first + 1 >= needed:
            members += found[max(first, taken) : last + 1]
            taken = last + 1
    return members if _is_wide(area, members, rules) else []


def _is_wide(area: Area, members: Collection[Failure], rules: AreaRules) -> bool:
    if area.scope is Scope.DISTRICT:
        return True
    return len({f.district for f in members}) >= rules.provider_districts


def areas_of(failures: Iterable[Failure]) -> list[Area]:
    """Return the areas that have failures, providers before districts, the most failures first."""
    counted: Mapping[Area, int] = Counter(area for f in failures for area in f.areas)
    return sorted(counted, key=lambda a: (a.scope is Scope.DISTRICT, -counted[a], a.area_id))


@cache
def area_rules() -> AreaRules:
    """Return the rules of `incidents.toml`."""
    return AreaRules(**sections()["area"])
