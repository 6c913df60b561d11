import pytest
from inventory.domain.places import Places
from inventory.files.point_columns import COLUMNS, cells_of
from inventory.files.point_rows import RowReader
from inventory.operations.point_checks import set_defaults
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.point_transfer_pb2 import RowError

PLACES = Places(
    region="64.01",
    districts_of_villages={"64.01.06.2012": "64.01.06", "64.01.02.2004": "64.01.02"},
    districts=frozenset({"64.01.06", "64.01.02"}),
    village_names={
        "belimbing": "64.01.06.2012",
        "keladen": "64.01.02.2004",
        "kladen": "64.01.02.2004",
    },
    district_names={"long ikis": "64.01.06"},
)
GOOD = {"point_id": "A", "display_name": "SD 1", "kind": "SCHOOL", "village": "64.01.06.2012"}


def read(**cells: str) -> tuple[Point, list[RowError]]:
    return read_over(None, GOOD | cells)


def read_over(stored: Point | None, cells: dict[str, str]) -> tuple[Point, list[RowError]]:
    reader = RowReader(PLACES)
    point = reader.read(2, cells, stored)
    return point, reader.errors


def reasons(**cells: str) -> dict[str, str]:
    return {error.column: error.reason for error in read(**cells)[1]}


def test_a_good_row_is_a_point() -> None:
    point, errors = read(latitude="-1.4", longitude="116.1", tags="a; b;a", external_ids="npsn=1")
    assert errors == []
    assert point.name == "regions/64.01/points/A"
    assert point.district == "regions/64.01/districts/64.01.06"
    assert (point.location.latitude, list(point.tags)) == (-1.4, ["a", "b"])
    assert dict(point.external_ids) == {"npsn": "1"}


@pytest.mark.parametrize(("text", "people"), [("350", 350), ("350.0", 350), ("0", 0), ("", None)])
def test_people_served_are_a_number_or_not_said(text: str, people: int | None) -> None:
    stored, _ = read(people_served="7")
    point, errors = read_over(stored, GOOD | {"people_served": text})
    assert errors == []
    assert (point.people_served if point.HasField("people_served") else None) == people
    kept, _ = read_over(stored, dict(GOOD))
    assert kept.people_served == 7
    columns = dict(zip(COLUMNS, cells_of(point), strict=True))
    assert columns["people_served"] == ("" if people is None else str(people))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("many", "NUMBER_INVALID"),
        ("-5", "NUMBER_INVALID"),
        ("1.5", "NUMBER_INVALID"),
        ("1.200.000", "NUMBER_INVALID"),
        ("1000001", "VALUE_INVALID"),
    ],
)
def test_a_number_of_people_that_is_none_is_refused(text: str, reason: str) -> None:
    assert reasons(people_served=text) == {"people_served": reason}


@pytest.mark.parametrize(
    "village", ["Belimbing", "64.01.06.2012", "regions/64.01/villages/64.01.06.2012"]
)
def test_a_village_may_be_named_or_coded(village: str) -> None:
    point, errors = read(village=village)
    assert (point.village, errors) == ("regions/64.01/villages/64.01.06.2012", [])


def test_an_alias_names_a_village() -> None:
    assert read(village="Kladen")[0].village == "regions/64.01/villages/64.01.02.2004"


def test_every_error_of_a_row_comes_at_once() -> None:
    found = reasons(
        display_name="a\nb",
        kind="SCHOL",
        village="Belimbin",
        latitude="north",
        longitude="300",
        tags="Not Good",
        external_ids="npsn",
        state="ACTIVE",
    )
    assert found == {
        "display_name": "VALUE_INVALID",
        "kind": "VALUE_UNKNOWN",
        "village": "VILLAGE_UNKNOWN",
        "latitude": "NUMBER_INVALID",
        "longitude": "OUT_OF_RANGE",
        "tags": "VALUE_INVALID",
        "external_ids": "VALUE_INVALID",
        "state": "STATE_NOT_IMPORTED",
    }


def test_an_unknown_village_is_answered_with_the_nearest() -> None:
    _, (error,) = read(village="Belimbin")
    assert "did you mean Belimbing (64.01.06.2012)?" in error.message
    assert error.value == "Belimbin"


def test_swapped_coordinates_are_called_swapped() -> None:
    assert reasons(latitude="116.1", longitude="-1.4") == {"latitude": "LATITUDE_LONGITUDE_SWAPPED"}


@pytest.mark.parametrize("latitude", ["-1,9", "-1.9", " \N{MINUS SIGN}1.9 "])
def test_a_decimal_comma_is_a_decimal_point(latitude: str) -> None:
    assert read(latitude=latitude, longitude="116,2")[0].location.latitude == -1.9


@pytest.mark.parametrize("latitude", ["nan", "inf", "1,2,3", "1.2,3", "1°"])
def test_what_is_no_number_is_refused(latitude: str) -> None:
    assert "latitude" in reasons(latitude=latitude, longitude="116.1")


def test_half_a_location_is_refused() -> None:
    assert reasons(latitude="-1.9", longitude="") == {"longitude": "LOCATION_HALF"}


def test_a_district_that_contradicts_the_village_is_refused() -> None:
    assert reasons(district="64.01.02") == {"district": "DISTRICT_CONTRADICTS_VILLAGE"}


def test_a_point_needs_a_place() -> None:
    assert reasons(village="") == {"village": "PLACE_MISSING"}
    assert reasons(village="", district="Long Ikis") == {}


def test_columns_that_are_absent_leave_what_is_stored() -> None:
    stored, _ = read(address="Jalan 1", latitude="-1.4", longitude="116.1")
    point, errors = read_over(stored, {"point_id": "A", "display_name": "SD 2"})
    assert errors == []
    assert (point.address, point.location.latitude, point.display_name) == ("Jalan 1", -1.4, "SD 2")


def test_a_new_point_needs_name_and_kind() -> None:
    assert reasons(display_name="", kind="") == {
        "display_name": "VALUE_MISSING",
        "kind": "VALUE_MISSING",
    }


def test_what_an_export_writes_reads_as_the_same_point() -> None:
    point, _ = read(latitude="-1.4000000000000001", longitude="116.1", external_ids="a=x%3By%25")
    set_defaults(point)
    again, errors = read(**dict(zip(COLUMNS, cells_of(point), strict=True)))
    assert errors == []
    assert cells_of(again) == cells_of(point)
    assert dict(again.external_ids) == {"a": "x;y%"}
