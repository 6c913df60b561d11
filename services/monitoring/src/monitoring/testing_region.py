"""A region of points whose incidents tests follow, without a database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from monitoring.domain.areas import area_rules
from monitoring.domain.casebook import Casebook, Place, failures, gone
from monitoring.domain.incident import Incident, Scope
from monitoring.domain.outages import Interval, outages
from monitoring.domain.timeline import State

START = datetime(2026, 11, 24, 2, tzinfo=UTC)
LETTERS = {"u": State.UP, "g": State.DEGRADED, "d": State.DOWN, "-": State.UNKNOWN}


def minute(number: float) -> datetime:
    """Return the time so many minutes after the start."""
    return START + timedelta(minutes=number)


def intervals(text: str, step: float = 10) -> list[Interval]:
    """Return states of ten minutes each; equal neighbours are one, the last lasts."""
    found: list[Interval] = []
    for place, letter in enumerate(text):
        if not found or found[-1].state is not LETTERS[letter]:
            if found:
                found[-1] = found[-1]._replace(end=minute(place * step))
            found.append(Interval(minute(place * step), None, LETTERS[letter]))
    return found


def place(number: int, district: str = "64.01.01", *providers: str) -> Place:
    """Return a point in service, as urgent as all others."""
    title, owners = f"Titik {number}", frozenset(providers)
    return Place(f"P-{number}", title, district, owners, in_service=True, score=10.0)


class Region:
    """A region whose points are looked at in whatever order, as the engine does."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = {p.point_id: p for p in places}
        self.incidents: dict[str, Incident] = {}
        self.texts = {p.point_id: "u" for p in places}
        self._numbers = count(1)

    def look(self, *point_ids: str, at: float = 1000) -> Casebook:
        """Have the engine look at points, at a minute."""
        numbers = self._numbers
        book = Casebook("64.01", minute(at), lambda: f"2026-{next(numbers):04}", {**self.incidents})
        for point_id in point_ids:
            found = outages(intervals(self.texts[point_id]))
            book.follow(self.places.get(point_id) or gone(point_id), found)
        sizes = {
            area: sum(area in p.areas for p in self.places.values())
            for p in self.places.values()
            for area in p.areas
        }
        book.join(failures(book.incidents.values(), self.places), sizes, area_rules())
        self.incidents = book.incidents
        return book

    def of(self, scope: Scope) -> list[Incident]:
        """Return the incidents of a scope."""
        return [i for i in self.incidents.values() if i.scope is scope]
