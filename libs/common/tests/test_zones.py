"""Regions have the zone of their province."""

import tomllib
from datetime import datetime, timedelta

import pytest
from common.zones import FILE, offset_of, zone_of


@pytest.mark.parametrize(
    ("region", "hours"),
    [
        ("64.01", 8),
        ("63.01", 8),
        ("65.01", 8),
        ("61.71", 7),
        ("62.01", 7),
        ("31.71", 7),
        ("11.01", 7),
        ("51.03", 8),
        ("73.71", 8),
        ("81.71", 9),
        ("94.71", 9),
    ],
)
def test_a_region_is_hours_ahead_of_utc(region: str, hours: int) -> None:
    local = datetime(2026, 7, 1, tzinfo=zone_of(region))
    assert local.utcoffset() == offset_of(region) == timedelta(hours=hours)


def test_a_code_of_no_province_has_no_zone_and_the_hours_of_utc() -> None:
    with pytest.raises(KeyError):
        zone_of("99.01")
    assert offset_of("99.01") == timedelta()


def test_each_province_has_one_zone() -> None:
    zones = tomllib.loads(FILE.read_text(encoding="utf-8"))
    provinces = [code for zone in zones.values() for code in zone["provinces"]]
    assert len(provinces) == len(set(provinces)) == 38
