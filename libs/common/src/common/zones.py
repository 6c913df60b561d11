"""The time zone of a region: its days, its office hours and its school hours are local ones."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

FILE = Path(__file__).with_name("zones.toml")


def zone_of(region: str) -> ZoneInfo:
    """Return the zone of a region by its code, such as `64.01`.

    Raises:
        KeyError: The code is of no province of Indonesia.
    """
    return _by_province()[region[:2]]


@cache
def _by_province() -> Mapping[str, ZoneInfo]:
    zones = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        province: ZoneInfo(one["zone"]) for one in zones.values() for province in one["provinces"]
    }
