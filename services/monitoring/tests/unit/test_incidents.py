"""Incidents as a function of outages: one for each, joined where they belong together."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.areas import Area, area_rules
from monitoring.domain.incident import Scope, Stage
from monitoring.domain.outages import Outage, outages
from monitoring.domain.priority import Priority, priority_of, score
from monitoring.testing_region import START, Region, intervals, minute, place


def shown(found: Sequence[Outage]) -> list[tuple[int, int | None]]:
    def number(time: datetime) -> int:
        return int((time - START).total_seconds() // 60)

    return [(number(o.start), number(o.end) if o.end else None) for o in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("uuu", []),
        ("-", []),
        ("ud", [(10, None)]),
        ("udu", [(10, 20)]),
        ("udg", [(10, 20)]),
        ("udud", [(10, None)]),
        ("uduud", [(10, 20), (40, None)]),
        ("ud-", [(10, None)]),
        ("ud-----u", [(10, 70)]),
        ("ud-----d", [(10, None)]),
        ("-d", [(10, None)]),
        ("udu--d", [(10, 20), (50, None)]),
    ],
)
def test_outages_last_until_an_answer_and_over_short_recoveries(
    text: str, found: list[tuple[int, int | None]]
) -> None:
    assert shown(outages(intervals(text))) == found


def test_an_outage_is_one_incident_until_it_answers() -> None:
    region = Region([place(1)])
    region.texts["P-1"] = "ud"
    region.look("P-1")
    (incident,) = region.of(Scope.POINT)
    assert (incident.start, incident.end, incident.stage) == (minute(10), None, Stage.OPEN)
    region.look("P-1")
    assert region.of(Scope.POINT) == [incident]
    region.texts["P-1"] = "udu"
    region.look("P-1")
    (over,) = region.of(Scope.POINT)
    assert (over.end, over.stage, over.down_count) == (minute(20), Stage.RESOLVED, 0)
    assert over.version == 2


def test_an_incident_is_opened_again_within_a_quarter_of_an_hour_and_not_later() -> None:
    region = Region([place(1)])
    for text in ("ud", "udu", "udud"):
        region.texts["P-1"] = text
        region.look("P-1")
    (again,) = region.of(Scope.POINT)
    assert (again.lasts, again.reopen_count, again.start) == (True, 1, minute(10))
    for text in ("ududuu", "ududuud"):
        region.texts["P-1"] = text
        region.look("P-1")
    assert [i.lasts for i in region.of(Scope.POINT)] == [False, True]


def test_late_measurements_correct_join_and_take_back_incidents() -> None:
    region = Region([place(1)])
    region.texts["P-1"] = "uduuuduuuu"
    region.look("P-1")
    assert [i.start for i in region.of(Scope.POINT)] == [minute(10), minute(50)]
    region.texts["P-1"] = "udddddduuu"
    book = region.look("P-1")
    first, second = region.of(Scope.POINT)
    assert (first.start, first.end) == (minute(10), minute(70))
    assert second.parent_id == first.incident_id
    assert {e.action for e in book.entries} == {"CORRECTED"}
    region.texts["P-1"] = "uuuuuuuuuu"
    region.look("P-1")
    assert all(i.end == i.start for i in region.of(Scope.POINT))
    assert not list(region.look("P-1").changed())


def test_an_incident_that_a_person_ended_stays_so_and_the_next_outage_is_another() -> None:
    region = Region([place(1)])
    region.texts["P-1"] = "ud"
    region.look("P-1")
    (incident,) = region.of(Scope.POINT)
    ended = replace(incident.spanning(incident.start, minute(15)), by_hand=True)
    region.incidents[ended.incident_id] = ended
    region.texts["P-1"] = "udd"
    region.look("P-1")
    assert region.of(Scope.POINT) == [ended]
    region.texts["P-1"] = "uddud"
    region.look("P-1")
    assert [(i.start, i.lasts) for i in region.of(Scope.POINT)] == [
        (minute(10), False),
        (minute(40), True),
    ]


def test_an_incident_of_a_flapping_point_stays_open_until_it_is_steady() -> None:
    region = Region([place(1)])
    region.texts["P-1"] = "ud"
    region.look("P-1")
    region.texts["P-1"] = "udud" + "u"
    region.places["P-1"] = replace(place(1), flapping=True)
    book = region.look("P-1")
    (incident,) = region.of(Scope.POINT)
    assert (incident.lasts, incident.flapping) == (True, True)
    assert [e.action for e in book.entries] == ["FLAPPING"]
    region.places["P-1"] = place(1)
    book = region.look("P-1")
    (incident,) = region.of(Scope.POINT)
    assert (incident.end, incident.flapping) == (minute(40), False)
    assert [e.action for e in book.entries] == ["RESOLVED", "CALM"]


def test_maintenance_holds_back_an_outage_until_it_ends() -> None:
    region = Region([replace(place(1), silences=[(minute(5), minute(50))])])
    region.texts["P-1"] = "udu"
    region.look("P-1", at=30)
    assert region.incidents == {}
    region.texts["P-1"] = "uduuud"
    region.look("P-1", at=49)
    assert region.incidents == {}
    region.look("P-1", at=50)
    (incident,) = region.of(Scope.POINT)
    assert (incident.start, incident.lasts) == (minute(50), True)


def test_a_point_out_of_service_has_no_lasting_incident() -> None:
    region = Region([place(1)])
    region.texts["P-1"] = "ud"
    region.look("P-1")
    del region.places["P-1"]
    region.look("P-1", at=30)
    (incident,) = region.of(Scope.POINT)
    assert (incident.end, incident.stage) == (minute(30), Stage.RESOLVED)
    assert not list(region.look("P-1", at=40).changed())


def test_many_points_of_a_district_are_one_incident_with_parts() -> None:
    region = Region([place(n) for n in range(10)])
    for number in range(6):
        region.texts[f"P-{number}"] = "ud"
    region.look(*(f"P-{n}" for n in range(4)))
    assert region.of(Scope.DISTRICT) == []
    book = region.look("P-4", "P-5")
    (area,) = region.of(Scope.DISTRICT)
    assert (area.point_count, area.down_count, area.start) == (6, 6, minute(10))
    assert {i.parent_id for i in region.of(Scope.POINT)} == {area.incident_id}
    assert [after.incident_id for before, after in book.changed() if before is None].count(
        area.incident_id
    ) == 1
    for number in range(6):
        region.texts[f"P-{number}"] = "udu"
    region.look(*(f"P-{n}" for n in range(5)))
    assert (region.of(Scope.DISTRICT)[0].down_count, region.of(Scope.DISTRICT)[0].score) == (1, 60)
    region.look("P-5")
    (area,) = region.of(Scope.DISTRICT)
    assert (area.end, area.down_count, area.stage) == (minute(20), 0, Stage.RESOLVED)
    region.texts["P-5"] = "udud"
    region.look("P-5")
    (area,) = region.of(Scope.DISTRICT)
    assert (area.lasts, area.reopen_count, area.down_count) == (True, 1, 1)


def test_points_that_fail_hours_apart_are_no_area() -> None:
    region = Region([place(n) for n in range(10)])
    for number in range(10):
        region.texts[f"P-{number}"] = "u" * (1 + number) + "d"
    region.look(*region.texts)
    assert region.of(Scope.DISTRICT) == []


def test_a_provider_that_fails_in_two_districts_takes_their_incidents_with_it() -> None:
    region = Region([place(n, f"64.01.0{1 + n % 2}", "telkom") for n in range(20)])
    for number in range(0, 20, 2):
        region.texts[f"P-{number}"] = "ud"
    region.look(*(f"P-{n}" for n in range(0, 20, 2)))
    (district,) = region.of(Scope.DISTRICT)
    for number in range(1, 20, 2):
        region.texts[f"P-{number}"] = "ud"
    region.look(*(f"P-{n}" for n in range(1, 20, 2)))
    (provider,) = region.of(Scope.PROVIDER)
    assert region.incidents[district.incident_id].parent_id == provider.incident_id
    assert (provider.point_count, provider.down_count) == (20, 20)
    tops = [i for i in region.incidents.values() if i.parent_id is None]
    assert tops == [provider]


def test_points_behind_one_that_is_down_are_parts_of_its_incident_whichever_failed_first() -> None:
    behind = [replace(place(n, f"64.01.0{n}"), upstreams=frozenset({"P-0"})) for n in (1, 2)]
    region = Region([place(0), *behind])
    region.texts |= {"P-0": "ud", "P-1": "ud", "P-2": "ud"}
    region.look("P-1")
    assert [i.parent_id for i in region.of(Scope.POINT)] == [None]
    region.look("P-0")
    region.look("P-2")
    first, above, second = region.of(Scope.POINT)
    assert (first.parent_id, above.parent_id, second.parent_id) == (
        above.incident_id,
        None,
        above.incident_id,
    )
    region.texts["P-0"] = "uduu"
    region.look("P-0")
    assert [(i.lasts, i.parent_id) for i in region.of(Scope.POINT)] == [
        (True, None),
        (False, None),
        (True, None),
    ]


def test_a_point_that_failed_hours_before_the_one_upstream_stays_an_incident_of_its_own() -> None:
    region = Region([place(0), replace(place(1), upstreams=frozenset({"P-0"}))])
    region.texts |= {"P-0": "uuuuud", "P-1": "uddddd"}
    region.look("P-0", "P-1")
    assert {i.parent_id for i in region.of(Scope.POINT)} == {None}


def is_down(text: str) -> bool:
    return any(outage.end is None for outage in outages(intervals(text)))


@given(
    st.dictionaries(
        st.integers(0, 11), st.text("ud-g", min_size=1, max_size=6), min_size=1, max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_in_whatever_order_points_are_looked_at_each_lasting_outage_has_one_incident(
    texts: dict[int, str], random: Random
) -> None:
    region = Region([place(n, f"64.01.0{n % 2}", "telkom") for n in range(12)])
    region.texts |= {f"P-{number}": "u" + text for number, text in texts.items()}
    order = [*region.texts, *region.texts]
    random.shuffle(order)
    while order:
        some, order = order[:3], order[3:]
        region.look(*dict.fromkeys(some))
    down = {
        p for p in region.texts if any(o.end is None for o in outages(intervals(region.texts[p])))
    }
    lasting = [i for i in region.of(Scope.POINT) if i.lasts]
    assert sorted(i.point_id or "" for i in lasting) == sorted(down)
    for area in (*region.of(Scope.DISTRICT), *region.of(Scope.PROVIDER)):
        parts = [i for i in region.incidents.values() if i.parent_id == area.incident_id]
        assert area.down_count == sum(i.down_count for i in parts)
        assert area.lasts == (area.down_count > 0)
    for incident in region.incidents.values():
        assert incident.parent_id != incident.incident_id
    assert not list(region.look(*region.texts).changed())


MONDAY_10 = datetime(2026, 11, 23, 10)  # noqa: DTZ001 - a local time
SUNDAY_10 = datetime(2026, 11, 22, 10)  # noqa: DTZ001
NIGHT = datetime(2026, 11, 23, 2)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("kind", "local", "priority"),
    [
        ("HEALTH_CENTRE", NIGHT, Priority.CRITICAL),
        ("SCHOOL", MONDAY_10, Priority.HIGH),
        ("SCHOOL", SUNDAY_10, Priority.LOW),
        ("VILLAGE_OFFICE", MONDAY_10, Priority.MEDIUM),
        ("VILLAGE_OFFICE", NIGHT, Priority.LOW),
        ("SOMETHING_NEW", MONDAY_10, Priority.MEDIUM),
    ],
)
def test_priority_follows_from_who_is_without_what_when(
    kind: str, local: datetime, priority: Priority
) -> None:
    assert priority_of(score(kind, local)) is priority


def test_the_people_that_a_point_serves_make_it_urgent() -> None:
    assert score("OPD", MONDAY_10) == score("OPD", MONDAY_10, 100)
    assert score("OPD", MONDAY_10, 700) == 7 * score("OPD", MONDAY_10)
    assert priority_of(score("OPD", MONDAY_10, 0)) is Priority.LOW


def test_rules_need_a_part_of_a_large_district() -> None:
    district = Area(Scope.DISTRICT, "64.01.01")
    assert area_rules().needed(district, 8) == 5
    assert area_rules().needed(district, 100) == 30
