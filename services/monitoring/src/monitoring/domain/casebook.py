"""The incidents of a region while the engine looks at some of its points.

`follow` makes a point's incidents what its outages are; `join` makes one of those that belong
together. What has changed in the end, and every line for the timelines, is kept for the storage.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from monitoring.domain.areas import Area, AreaRules, Failure, areas_of, failing_together
from monitoring.domain.incident import Entry, Incident, Scope
from monitoring.domain.outages import Outage
from monitoring.domain.reach import counted, parts_of, points_below

Period = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Place:
    """What the engine knows of a point."""

    point_id: str
    title: str
    district: str
    providers: frozenset[str]
    in_service: bool
    score: float
    """How urgent its outage is now."""
    people: int | None = None
    """How many it serves; None when nobody has said."""
    upstreams: frozenset[str] = frozenset()
    """The points that its lines go through."""
    flapping: bool = False
    """Its measurements turn so often that an answer ends no outage."""
    silences: Sequence[Period] = ()
    """Maintenance, half-open: an outage that has come no further than into it is no incident."""

    @property
    def areas(self) -> frozenset[Area]:
        """The areas that the point is a part of."""
        providers = {Area(Scope.PROVIDER, provider) for provider in self.providers}
        return frozenset({Area(Scope.DISTRICT, self.district), *providers})

    def is_silent(self, time: datetime) -> bool:
        """Tell whether maintenance covers a time."""
        return any(start <= time < end for start, end in self.silences)


@dataclass(slots=True)
class Casebook:
    """The incidents at hand, by id."""

    region: str
    now: datetime
    new_id: Callable[[], str]
    incidents: dict[str, Incident]
    entries: list[Entry] = field(default_factory=list)
    names: Mapping[Area, str] = field(default_factory=dict)
    """What districts and providers are called, as far as it is known."""
    _before: dict[str, Incident] = field(default_factory=dict)
    _by_point: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._before = dict(self.incidents)
        for incident in sorted(self.incidents.values(), key=lambda i: i.start):
            self._by_point.setdefault(incident.point_id or "", []).append(incident.incident_id)

    def changed(self) -> Iterator[tuple[Incident | None, Incident]]:
        """Yield each incident that is another one than before, with what it was."""
        for incident in self.incidents.values():
            before = self._before.get(incident.incident_id)
            if incident != before:
                yield before, incident

    def follow(self, place: Place, found: Sequence[Outage]) -> None:
        """Make the point's incidents at hand what its outages are."""
        mine = [self.incidents[i] for i in self._by_point.get(place.point_id, [])]
        if not place.in_service:
            self._close(mine, "the point is not in service any more")
            return
        if place.flapping and found:
            found = [*found[:-1], replace(found[-1], end=None)]
        free = {incident.incident_id: incident for incident in mine}
        for outage in found:
            matched = [i for i in free.values() if _touch(i, outage)]
            for incident in matched:
                del free[incident.incident_id]
            self._follow_one(place, outage, matched)
        for incident in free.values():
            self._take_back(incident)

    def join(self, down: Iterable[Failure], sizes: Mapping[Area, int], rules: AreaRules) -> None:
        """Make one incident of failures that belong together, and bring every area's up to date.

        `down` are all points that are; `sizes` say how many points each area has.
        """
        everywhere = list(down)
        self._hang(everywhere, rules)
        for area in areas_of(everywhere):
            loose = [f for f in everywhere if self._is_loose(f, area)]
            lasting = self._lasting(area)
            members = self._late_members(lasting, loose, rules) if lasting else []
            members = members or failing_together(area, loose, sizes.get(area, 0), rules)
            if members:
                self._gather(area, lasting or self._open_area(area, members), members)
        self._sum_up()

    def _follow_one(self, place: Place, outage: Outage, matched: Sequence[Incident]) -> None:
        ended = max((i.end for i in matched if i.by_hand and i.end), default=None)
        start = next((fall for fall in outage.falls if ended is None or fall > ended), None)
        if start is None:
            return  # a person has said that this outage is none
        by_engine = [i for i in matched if not i.by_hand]
        if by_engine:
            self._carry_on(place, by_engine, start, outage.end)
        elif not place.is_silent(outage.end or self.now):
            self._open(place, start, outage.end)

    def _carry_on(
        self, place: Place, mine: Sequence[Incident], start: datetime, end: datetime | None
    ) -> None:
        kept = next((i for i in mine if i.lasts), mine[0])
        self._respan(kept if end else replace(kept, **_own(place)), start, end)
        self._calm(self.incidents[kept.incident_id], place)
        for other in mine:
            if other is not kept and other.parent_id != kept.incident_id:
                self._absorb(other, kept, start)

    def _calm(self, incident: Incident, place: Place) -> None:
        restless = place.flapping and incident.lasts
        if restless is not incident.flapping:
            action, text = (
                ("FLAPPING", "up and down") if restless else ("CALM", "it is steady again")
            )
            self._put(replace(incident, flapping=restless), action, text)

    def _open(self, place: Place, start: datetime, end: datetime | None) -> None:
        incident = Incident(
            region=self.region,
            incident_id=self.new_id(),
            scope=Scope.POINT,
            title=place.title,
            point_id=place.point_id,
            district=place.district,
            **_own(place),
            start=start,
            create_time=self.now,
            update_time=self.now,
        )
        incident = counted(incident, [incident])
        self._put(incident, "OPENED", f"no answer since {_shown(start)}")
        if end is not None:
            self._respan(incident, start, end)

    def _respan(self, incident: Incident, start: datetime, end: datetime | None) -> None:
        after = incident.over(start, end) if end else incident.spanning(start, None)
        if (after.start, after.end) == (incident.start, incident.end):
            self._keep(after)
        elif after.lasts and not incident.lasts:
            self._put(after, "REOPENED", "it is down again")
        elif incident.lasts and end is not None:
            self._put(after, "RESOLVED", f"it answers since {_shown(end)}")
        else:
            until = f" until {_shown(end)}" if end else ""
            self._put(after, "CORRECTED", f"late measurements: down since {_shown(start)}{until}")

    def _absorb(self, incident: Incident, kept: Incident, start: datetime) -> None:
        text = f"late measurements: the same outage as {kept.incident_id}"
        end = incident.end or max(incident.start, start)
        after = replace(incident.over(incident.start, end), parent_id=kept.incident_id)
        self._put(after, "CORRECTED", text)

    def _take_back(self, incident: Incident) -> None:
        """Leave of an incident whose outage never was only that it was there."""
        if incident.by_hand or incident.end == incident.start:
            return
        after = incident.over(incident.start, incident.start)
        self._put(after, "CORRECTED", "late measurements: there was no outage")

    def _close(self, incidents: Iterable[Incident], why: str) -> None:
        for incident in incidents:
            if incident.lasts:
                end = max(self.now, incident.start)
                self._put(incident.over(incident.start, end), "RESOLVED", why)

    def _hang(self, down: Iterable[Failure], rules: AreaRules) -> None:
        """Make the outage of a point a part of the one upstream, whichever was seen first.

        A point upstream that fails minutes later than those behind it was only measured later.
        Who is still down when the one upstream answers has an outage of its own.
        """
        by_point = {i.point_id: i for i in self.incidents.values() if i.point_id and i.lasts}
        for failure in down:
            child = self._set_loose(self.incidents[failure.incident_id])
            above = next((by_point[u] for u in failure.upstreams if u in by_point), None)
            if above is None or child.parent_id or above.start > child.start + rules.within:
                continue
            if above.parent_id != child.incident_id:
                text = f"behind {above.point_id}, which is down: a part of {above.incident_id}"
                self._put(replace(child, parent_id=above.incident_id), "JOINED", text)

    def _set_loose(self, child: Incident) -> Incident:
        parent = self.incidents.get(child.parent_id or "")
        if parent is None or parent.scope is not Scope.POINT or parent.lasts:
            return child
        text = f"still down though {parent.point_id} answers: no part of {parent.incident_id} now"
        self._put(replace(child, parent_id=None), "LEFT", text)
        return self.incidents[child.incident_id]

    def _is_loose(self, failure: Failure, area: Area) -> bool:
        """Tell whether a failure may still become a part of the area's incident."""
        if area not in failure.areas:
            return False
        incident = self.incidents[failure.incident_id]
        if incident.parent_id is None:
            return True
        parent = self.incidents.get(incident.parent_id)
        above = parent is not None and parent.scope is Scope.DISTRICT and parent.parent_id is None
        return area.scope is Scope.PROVIDER and above

    def _lasting(self, area: Area) -> Incident | None:
        for incident in self.incidents.values():
            mine = incident.district if area.scope is Scope.DISTRICT else incident.provider
            if incident.lasts and incident.scope is area.scope and mine == area.area_id:
                return incident
        return None

    def _late_members(
        self, parent: Incident, loose: Iterable[Failure], rules: AreaRules
    ) -> list[Failure]:
        """Return those that began while the area's incident was still growing."""
        begins = [i.start for i in self._children(parent.incident_id)] or [parent.start]
        first, last = min(begins) - rules.within, max(begins) + rules.within
        return [f for f in loose if first <= f.start <= last]

    def _open_area(self, area: Area, members: Collection[Failure]) -> Incident:
        is_district = area.scope is Scope.DISTRICT
        incident = Incident(
            region=self.region,
            incident_id=self.new_id(),
            scope=area.scope,
            title=self.names.get(area, area.area_id),
            district=area.area_id if is_district else None,
            provider=None if is_district else area.area_id,
            start=min(f.start for f in members),
            create_time=self.now,
            update_time=self.now,
        )
        self._put(incident, "OPENED", f"{len(members)} points went down within minutes")
        return incident

    def _gather(self, area: Area, parent: Incident, members: Iterable[Failure]) -> None:
        joined = 0
        for failure in members:
            child = self.incidents[failure.incident_id]
            above = self.incidents.get(child.parent_id or "")
            child = above or child
            if child.parent_id != parent.incident_id and child is not parent:
                joined += 1
                text = f"a part of {parent.incident_id}, {area.scope.lower()} {parent.title}"
                self._put(replace(child, parent_id=parent.incident_id), "JOINED", text)
        if joined and parent.incident_id in self._before:
            self._note(parent.incident_id, "GREW", f"{joined} more")

    def _children(self, incident_id: str) -> list[Incident]:
        return [i for i in self.incidents.values() if i.parent_id == incident_id]

    def _sum_up(self) -> None:
        """Bring the figures of points that are down, and of all areas, up to date.

        A point's incident that is over keeps those that it had last: who is still down behind it is
        a part of it no more, but was hit by it.
        """
        parts = parts_of(self.incidents.values())
        for incident in list(self.incidents.values()):
            points = points_below(incident.incident_id, parts)
            if incident.scope is not Scope.POINT and points and not incident.by_hand:
                self._sum(incident, points)
            elif incident.scope is Scope.POINT and incident.lasts:
                self._keep(counted(incident, [incident, *points]))

    def _sum(self, area: Incident, points: Sequence[Incident]) -> None:
        summed = counted(area, points)
        ends = [i.end for i in points if i.end]
        end = None if summed.down_count else max(ends, default=area.start)
        most_urgent = replace(summed, score=max(area.score, summed.score))
        after = most_urgent.spanning(min(i.start for i in points), end)
        if after.lasts and not area.lasts:
            self._put(after, "REOPENED", f"{after.down_count} points are down again")
        elif area.lasts and not after.lasts:
            self._put(after, "RESOLVED", "all points answer")
        else:
            self._keep(after)

    def _put(self, incident: Incident, action: str, text: str) -> None:
        self._keep(incident)
        self._note(incident.incident_id, action, text)

    def _keep(self, incident: Incident) -> None:
        """Keep an incident as it is now; its version and time follow when it has changed."""
        before = self._before.get(incident.incident_id)
        version = before.version + 1 if before else 1
        moved = replace(incident, version=version, update_time=self.now)
        same = (
            before
            and replace(moved, version=before.version, update_time=before.update_time) == before
        )
        self.incidents[incident.incident_id] = before if same and before else moved

    def _note(self, incident_id: str, action: str, text: str) -> None:
        self.entries.append(Entry(incident_id, action, text))


def gone(point_id: str) -> Place:
    """Return what is known of a point that was deleted."""
    return Place(point_id, "", "", frozenset(), in_service=False, score=0.0)


def _own(place: Place) -> dict[str, Any]:
    people, unknown = place.people or 0, int(place.people is None)
    return {"own_people": people, "own_unknown": unknown, "own_score": place.score}


def failures(incidents: Iterable[Incident], places: Mapping[str, Place]) -> Iterator[Failure]:
    """Yield the points that are down, of those that are known."""
    for incident in incidents:
        place = places.get(incident.point_id or "")
        if place and incident.lasts and incident.scope is Scope.POINT:
            yield Failure(
                incident.incident_id, incident.start, place.district, place.areas, place.upstreams
            )


def _touch(incident: Incident, outage: Outage) -> bool:
    starts_before = outage.end is None or incident.start <= outage.end
    return starts_before and (incident.end is None or outage.start <= incident.end)


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
