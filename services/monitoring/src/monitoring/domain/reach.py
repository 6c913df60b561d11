"""Whom an outage hits: the people of a point, and of the points that are down because of it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from monitoring.domain.incident import Incident, Scope


def parts_of(incidents: Iterable[Incident]) -> Mapping[str, Sequence[Incident]]:
    """Return the incidents that are parts of another one, by its id."""
    parts: dict[str, list[Incident]] = {}
    for incident in incidents:
        if incident.parent_id:
            parts.setdefault(incident.parent_id, []).append(incident)
    return parts


def points_below(incident_id: str, parts: Mapping[str, Sequence[Incident]]) -> list[Incident]:
    """Return the points' incidents that are parts of one, and of those, the ones behind them.

    Lines that were laid anew meanwhile may lead in a circle: each incident is there once.
    """
    found: dict[str, Incident] = {}
    ahead = [incident_id]
    while ahead:
        new = [p for p in parts.get(ahead.pop(), ()) if p.incident_id not in found]
        found |= {part.incident_id: part for part in new}
        ahead += [part.incident_id for part in new]
    found.pop(incident_id, None)
    return [part for part in found.values() if part.scope is Scope.POINT]


def counted(incident: Incident, points: Iterable[Incident]) -> Incident:
    """Return an incident with the figures of the points' incidents that it consists of."""
    each = _last_of_each_point(points)
    down = [one for one in each if one.lasts]
    return replace(
        incident,
        point_count=len(each),
        down_count=len(down),
        people=sum(one.own_people for one in each),
        people_down=sum(one.own_people for one in down),
        people_unknown=sum(one.own_unknown for one in each),
        score=sum(one.own_score for one in down),
    )


def _last_of_each_point(points: Iterable[Incident]) -> Collection[Incident]:
    """Leave of a point that went down several times its last outage: it hits nobody new."""
    ordered = sorted(points, key=lambda point: (point.lasts, point.start))
    return {point.point_id: point for point in ordered}.values()
