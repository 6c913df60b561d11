"""Whom an outage hits: each point once."""

from dataclasses import replace

from monitoring.domain.casebook import Place
from monitoring.domain.incident import Scope
from monitoring.testing_region import Region, place


def served(*people: int | None) -> list[Place]:
    return [replace(place(n), people=one) for n, one in enumerate(people)]


def test_people_are_summed_over_the_points_that_are_down_and_unknown_ones_counted() -> None:
    region = Region(served(120, 80, None, 0, None))
    for point_id in region.texts:
        region.texts[point_id] = "ud"
    region.look(*region.texts)
    (area,) = region.of(Scope.DISTRICT)
    assert (area.people, area.people_down, area.people_unknown) == (200, 200, 2)
    region.texts["P-0"] = region.texts["P-2"] = "udu"
    region.look("P-0", "P-2")
    (area,) = region.of(Scope.DISTRICT)
    assert (area.people, area.people_down, area.people_unknown) == (200, 80, 2)
    first = next(i for i in region.of(Scope.POINT) if i.point_id == "P-0")
    assert (first.people, first.people_down, first.people_unknown) == (120, 0, 0)
    region.places["P-1"] = replace(region.places["P-1"], people=90)
    region.look("P-1")
    (area,) = region.of(Scope.DISTRICT)
    assert (area.people, area.people_down) == (210, 90)


def test_a_point_that_goes_down_twice_in_an_incident_of_its_district_counts_once() -> None:
    region = Region([replace(place(n), people=10 if n else None) for n in range(6)])
    for text, other in (("ud", "ud"), ("uduuud", "uddddd")):
        region.texts |= {f"P-{n}": text for n in range(5)} | {"P-5": other}
        region.look(*region.texts)
    (area,) = region.of(Scope.DISTRICT)
    assert len([i for i in region.of(Scope.POINT) if i.parent_id == area.incident_id]) == 11
    assert (area.point_count, area.down_count) == (6, 6)
    assert (area.people, area.people_down, area.people_unknown) == (50, 50, 1)


def test_those_behind_a_point_of_a_district_s_incident_count_in_it() -> None:
    behind = [replace(place(n), people=100, upstreams=frozenset({"P-0"})) for n in (7, 8)]
    region = Region([*(replace(place(n), people=10) for n in range(6)), *behind])
    region.texts = dict.fromkeys(region.texts, "ud")
    region.look(*region.texts)
    (area,) = region.of(Scope.DISTRICT)
    parts = [i.parent_id == area.incident_id for i in region.of(Scope.POINT)]
    assert (parts.count(True), parts.count(False)) == (6, 2)
    assert (area.point_count, area.people, area.people_down) == (8, 260, 260)
    region.texts["P-7"] = "udu"
    region.look("P-7")
    (area,) = region.of(Scope.DISTRICT)
    assert (area.down_count, area.people, area.people_down) == (7, 260, 160)
