"""Which points get a made-up line, and which are left as people have them."""

from devstack.network.inventory import Stock
from devstack.network.laying import missing_lines, sites_of, technology_of, with_lines
from devstack.network.technologies import SHARES
from hypothesis import given
from hypothesis import strategies as st
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.point_pb2 import Point, Technology
from smartcity.inventory.v1.region_pb2 import District

PASER = "regions/64.01"
LONG_IKIS = District(name=f"{PASER}/districts/64.01.06", display_name="Long Ikis")


def point(code: str, state: Point.State.ValueType = Point.PLANNED, **fields: object) -> Point:
    told = {"tags": ["demo"], "district": LONG_IKIS.name} | fields
    return Point(name=f"{PASER}/points/{code}", state=state, **told)  # type: ignore[arg-type]


def circuit(code: str, address: str, service_id: str = "") -> Circuit:
    name = f"{PASER}/points/{code}/circuits/main"
    return Circuit(
        name=name, monitored_address=address, service_id=service_id, technology=Technology.LEO
    )


def missing(*points: Point, circuits: tuple[Circuit, ...] = ()) -> dict[str, str]:
    """Return the addresses of the lines that are missing, by point."""
    lines = missing_lines(Stock(points, circuits, (LONG_IKIS,)), seed=1)
    return {line.point.name.rpartition("/")[2]: line.address for line in lines}


def test_planned_and_active_demo_points_get_an_address_each_in_order() -> None:
    found = missing(point("B"), point("A", Point.ACTIVE))
    assert found == {"A": "127.64.0.1", "B": "127.64.0.2"}


def test_points_that_people_made_or_took_out_of_service_get_none() -> None:
    assert (
        missing(
            point("A", tags=[]),
            point("B", Point.SUSPENDED),
            point("C", Point.RETIRED),
            point("D", technology=Technology.NONE),
        )
        == {}
    )


def test_a_point_with_a_line_of_its_own_is_left_and_its_address_not_given_again() -> None:
    own = circuit("A", "127.64.0.1", "TLK-1")
    assert missing(point("A"), point("B"), circuits=(own,)) == {"B": "127.64.0.2"}


def test_a_start_that_was_stopped_behind_a_circuit_goes_on_from_there() -> None:
    ours = circuit("B", "127.64.0.9", "SIMULATED-B")
    assert missing(point("A"), point("B"), circuits=(ours,)) == {
        "A": "127.64.0.1",
        "B": "127.64.0.9",
    }
    assert missing(point("B", Point.ACTIVE), circuits=(ours,)) == {}


def test_a_technology_that_is_known_is_kept() -> None:
    assert technology_of(point("A", technology=Technology.VSAT), 1) == Technology.VSAT


@given(st.integers(0, 1000))
def test_technologies_are_shared_out_by_the_seed(seed: int) -> None:
    given_out = [technology_of(point(f"P-{number}"), seed) for number in range(300)]
    assert given_out == [technology_of(point(f"P-{number}"), seed) for number in range(300)]
    assert {Technology.Name(one) for one in given_out} == {*SHARES}
    assert given_out.count(Technology.FO) > given_out.count(Technology.LEO)


def test_sites_are_where_simulated_circuits_are() -> None:
    points = (point("A", display_name="Kantor Desa A"), point("B"), point("C"))
    stock = Stock(
        points,
        (circuit("A", "127.64.0.7"), circuit("B", "10.0.0.1"), circuit("X", "127.64.0.8")),
        (LONG_IKIS,),
    )
    (one,) = sites_of(stock)
    assert (one.point, one.address, one.technology) == ("A", "127.64.0.7", "LEO")
    assert (one.district, one.district_name) == ("64.01.06", "Long Ikis")


def test_lines_that_will_be_laid_are_sites_before() -> None:
    stock = Stock((point("A"), point("B")), (), (LONG_IKIS,))
    lines = [*missing_lines(stock, 1)]
    assert [site.point for site in sites_of(with_lines(stock, lines))] == ["A", "B"]
