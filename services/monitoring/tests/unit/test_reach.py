"""Whom an outage hits: each point once, its own people and those of the points behind it."""

from dataclasses import replace

import pytest
from monitoring.domain.casebook import Place
from monitoring.domain.incident import Incident, Scope
from monitoring.testing_region import Region, place


def served(*people: int | None) -> list[Place]:
    return [replace(place(n), people=one) for n, one in enumerate(people)]


def figures(incident: Incident) -> tuple[int, ...]:
    counts = (incident.point_count, incident.down_count)
    return (*counts, incident.people, incident.people_down, incident.people_unknown)


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


def behind_each_other() -> Region:
    """Return P-0, behind it P-1 and P-2, behind P-1 P-3; all are down but not looked at."""
    above = (frozenset[str](), frozenset({"P-0"}), frozenset({"P-0"}), frozenset({"P-1"}))
    points = zip(served(10, 100, None, 50), above, strict=True)
    region = Region([replace(point, upstreams=upstreams) for point, upstreams in points])
    region.texts = dict.fromkeys(region.texts, "ud")
    return region


def lasting(region: Region) -> dict[str | None, Incident]:
    return {i.point_id: i for i in region.of(Scope.POINT) if i.lasts}


@pytest.mark.parametrize("order", [("P-0", "P-1", "P-2", "P-3"), ("P-3", "P-2", "P-1", "P-0")])
def test_those_behind_a_point_count_in_its_incident_in_whatever_order_they_are_seen(
    order: tuple[str, ...],
) -> None:
    region = behind_each_other()
    for point_id in order:
        region.look(point_id)
    first = lasting(region)
    assert figures(first["P-0"]) == (4, 4, 160, 160, 1)
    assert figures(first["P-1"]) == (2, 2, 150, 150, 0)
    assert [first[f"P-{n}"].score for n in range(4)] == [40, 20, 10, 10]
    assert not list(region.look(*order).changed())


def test_one_behind_a_point_that_is_down_twice_counts_once_and_people_are_down_while_it_is() -> (
    None
):
    region = behind_each_other()
    region.look(*region.texts)
    region.texts["P-2"] = "udu"
    region.look("P-2")
    assert figures(lasting(region)["P-0"]) == (4, 3, 160, 160, 1)
    assert lasting(region)["P-0"].score == 30
    region.texts["P-1"] = "udu"
    region.look("P-1")  # P-3 is down by itself now
    assert figures(lasting(region)["P-0"]) == (3, 1, 110, 10, 1)
    region.texts["P-1"] = "uduuud"
    region.look("P-1")
    assert figures(lasting(region)["P-0"]) == (3, 2, 110, 110, 1)


def test_an_incident_that_is_over_still_tells_whom_it_hit_and_how_urgent_it_was() -> None:
    region = behind_each_other()
    region.look(*region.texts)
    region.texts["P-0"] = "udu"
    region.look("P-0")
    (over,) = (i for i in region.of(Scope.POINT) if i.point_id == "P-0")
    assert (figures(over), over.score, over.lasts) == ((4, 0, 160, 0, 1), 40, False)
    assert lasting(region).keys() == {"P-1", "P-2", "P-3"}
    region.texts["P-0"] = "udud"
    region.look("P-0")
    assert figures(lasting(region)["P-0"]) == (4, 4, 160, 160, 1)


def test_points_whose_lines_lead_in_a_circle_count_once() -> None:
    region = Region(served(1, 20, 300))
    for number, above in ((1, 0), (2, 1), (0, 2)):
        mine = region.places[f"P-{number}"]
        region.places[f"P-{number}"] = replace(mine, upstreams=frozenset({f"P-{above}"}))
        region.texts[f"P-{number}"] = region.texts[f"P-{above}"] = "ud"
        region.look(*region.texts)
    assert {figures(i) for i in region.of(Scope.POINT)} == {(3, 3, 321, 321, 0)}
