import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from inventory.domain.geography import Boundaries, distance_m

SQUARE = shapely.box(116.0, -2.0, 116.1, -1.9)
KALIMANTAN = (st.floats(-4, 4), st.floats(108, 119))


def boundaries() -> Boundaries:
    return Boundaries({"64.01.01.2001": SQUARE, "64.01.01": SQUARE, "64.01": SQUARE.buffer(0.1)})


def test_a_place_inside_is_at_distance_zero() -> None:
    assert boundaries().distance_m("64.01", -1.95, 116.05) == 0


def test_the_distance_to_a_side_is_that_of_the_great_circle() -> None:
    off = boundaries().distance_m("64.01.01.2001", -1.95, 116.2)
    assert off == pytest.approx(distance_m(-1.95, 116.2, -1.95, 116.1), rel=1e-6)
    assert off == pytest.approx(11_113, rel=1e-3)


def test_one_degree_of_latitude_is_a_360th_of_the_meridian() -> None:
    assert distance_m(0, 0, 1, 0) == pytest.approx(111_195, abs=1)


@given(*KALIMANTAN, *KALIMANTAN)
def test_distance_is_symmetric(lat1: float, lon1: float, lat2: float, lon2: float) -> None:
    there = distance_m(lat1, lon1, lat2, lon2)
    assert there == pytest.approx(distance_m(lat2, lon2, lat1, lon1), abs=1e-3)


def test_a_point_outside_its_village_and_region_is_odd_twice() -> None:
    found = boundaries().oddities("64.01.01.2001", "64.01", -1.95, 117.0)
    assert [oddity.reason for oddity in found] == ["OUTSIDE_VILLAGE", "OUTSIDE_REGION"]
    assert "100.0 km outside village" in found[0].message


def test_a_point_just_beyond_the_simplified_border_is_not_odd() -> None:
    assert boundaries().oddities("64.01.01.2001", "64.01", -1.95, 116.1004) == []


def test_a_place_without_polygon_is_never_odd() -> None:
    assert Boundaries({}).oddities("64.01.01.2001", "64.01", 50.0, 8.0) == []


def test_a_point_of_a_district_is_held_against_the_district() -> None:
    (odd, *_) = boundaries().oddities("64.01.01", "64.01", -1.95, 116.15)
    assert odd.reason == "OUTSIDE_DISTRICT"
