"""What `make outage` makes of what it is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from devstack.errors import OutageRefused
from devstack.network.orders import Orders
from devstack.network.outage import Asked, Command
from devstack.network.site import Site

NOON = 1_800_000_000.0
DISTRICTS = {"64.01.06": "Long Ikis", "64.01.04": "Tanah Grogot", "": ""}
SITES = [
    Site(
        point=f"DES-{district or '64.01.99'}.200{number}",
        display_name=f"Kantor Desa {number}",
        district=district,
        district_name=name,
        technology="FO",
        address=f"127.64.0.{number}",
    )
    for district, name in DISTRICTS.items()
    for number in range(1, 4)
]


def at(folder: Path, minute: float = 0, sites: list[Site] = SITES) -> Command:
    return Command(sites, Orders(folder), NOON + 60 * minute)


def hit(folder: Path, minute: float) -> list[str]:
    """Return the ids of the points that are ordered to be down."""
    orders = Orders(folder).now(NOON + 60 * minute)
    return [site.point for site in SITES if any(order.hits(site) for order in orders)]


@pytest.mark.parametrize(
    "named", ["DES-64.01.06.2001", "des-64.01.06.2001", "regions/64.01/points/DES-64.01.06.2001"]
)
def test_a_point_is_down_for_its_minutes(folder: Path, named: str) -> None:
    text = at(folder).begin(Asked(point=named, minutes="1.5"))
    assert text.startswith("down: DES-64.01.06.2001 (Kantor Desa 1) until ")
    assert text.endswith(", 1.5 minutes")
    assert hit(folder, 1.4) == ["DES-64.01.06.2001"]
    assert hit(folder, 1.5) == []


@pytest.mark.parametrize(
    "named", ["64.01.06", "Long Ikis", "LONG IKIS", "regions/64.01/districts/64.01.06"]
)
def test_a_district_is_down_for_ten_minutes_when_none_are_said(folder: Path, named: str) -> None:
    assert "64.01.06 (Long Ikis), 3 points" in at(folder).begin(Asked(district=named))
    assert hit(folder, 9.9) == [f"DES-64.01.06.200{number}" for number in (1, 2, 3)]
    assert hit(folder, 10) == []


REFUSED: Mapping[Asked, str] = {
    Asked(point="DES-64.01.06.2099"): "near are: DES-64.01.06.200",
    Asked(point="?"): r"there are: DES-64.01.06.2001, .*",
    Asked(district="Kuta"): r"there are: 64.01.04 \(Tanah Grogot\), 64.01.06 \(Long Ikis\)$",
    Asked(): "POINT=<its id> or DISTRICT=",
    Asked(point="DES-64.01.06.2001", district="64.01.06"): "one of the two",
    Asked(point="DES-64.01.06.2001", minutes="0"): "MINUTES=0: must be a number from 0.1 to 1440",
    Asked(point="DES-64.01.06.2001", minutes="1441"): "MINUTES=1441",
    Asked(point="DES-64.01.06.2001", minutes="-5"): "MINUTES=-5",
    Asked(point="DES-64.01.06.2001", minutes="nan"): "MINUTES=nan",
    Asked(point="DES-64.01.06.2001", minutes="soon"): "MINUTES=soon",
}


@pytest.mark.parametrize("asked", [*REFUSED], ids=str)
def test_what_cannot_be_is_refused_and_breaks_nothing(folder: Path, asked: Asked) -> None:
    with pytest.raises(OutageRefused, match=REFUSED[asked]):
        at(folder).begin(asked)
    assert hit(folder, 0) == []


def test_without_any_line_it_says_that_none_are_laid_yet(folder: Path) -> None:
    with pytest.raises(OutageRefused, match="none has one yet"):
        at(folder, sites=[]).begin(Asked(point="DES-64.01.06.2001"))


def test_the_list_names_what_holds_and_no_more(folder: Path) -> None:
    assert at(folder).list() == "no outage is ordered"
    at(folder).begin(Asked(district="64.01.04", minutes="20"))
    at(folder).begin(Asked(point="DES-64.01.06.2002", minutes="5"))
    assert [line.split(" ")[0] for line in at(folder, 1).list().splitlines()] == [
        "DES-64.01.06.2002",
        "64.01.04",
    ]
    assert at(folder, 6).list().startswith("64.01.04 (Tanah Grogot), 3 points until ")


def test_an_end_ends_what_is_named_or_all(folder: Path) -> None:
    at(folder).begin(Asked(district="64.01.06"))
    at(folder).begin(Asked(point="DES-64.01.06.2002"))
    with pytest.raises(OutageRefused, match="nothing to end; ordered are now: "):
        at(folder, 1).end(Asked(point="DES-64.01.06.2001"))
    assert at(folder, 1).end(Asked(district="64.01.06")).startswith("ended: 64.01.06 ")
    assert hit(folder, 1) == ["DES-64.01.06.2002"]
    at(folder, 1).begin(Asked(district="64.01.04"))
    assert len(at(folder, 2).end(Asked()).splitlines()) == 2
    assert hit(folder, 2) == []
