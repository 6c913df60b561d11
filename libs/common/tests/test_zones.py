"""Regions have the zone of their province."""

import tomllib
from datetime import datetime, timedelta

import pytest
from common.zones import FILE, zone_of


@pytest.mark.parametrize(
    ("region", "hours"), [("64.01", 8), ("31.71", 7), ("61.01", 7), ("94.71", 9), ("11.01", 7)]
)
def test_a_region_is_hours_ahead_of_utc(region: str, hours: int) -> None:
    local = datetime(2026, 7, 1, tzinfo=zone_of(region))
    assert local.utcoffset() == timedelta(hours=hours)


def test_a_code_of_no_province_has_no_zone() -> None:
    with pytest.raises(KeyError):
        zone_of("99.01")


def test_each_province_has_one_zone() -> None:
    zones = tomllib.loads(FILE.read_text(encoding="utf-8"))
    provinces = [code for zone in zones.values() for code in zone["provinces"]]
    assert len(provinces) == len(set(provinces)) == 38
