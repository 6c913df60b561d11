"""The time zone of a region: its days, its office hours and its school hours are local ones."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
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
def offset_of(region: str) -> timedelta:
    """Return how far a region's clocks are ahead of UTC, whole hours: 8 for `64.01`.

    No zone of Indonesia has summer time. A code that is of no province has UTC.
    """
    try:
        zone = zone_of(region)
    except KeyError:
        return timedelta()
    return datetime.now(UTC).astimezone(zone).utcoffset() or timedelta()


def day_in(region: str, time: datetime) -> date:
    """Return the day that it is in a region at a time, which must bear its zone."""
    return (time.astimezone(UTC) + offset_of(region)).date()


@cache
def _by_province() -> Mapping[str, ZoneInfo]:
    zones = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        province: ZoneInfo(one["zone"]) for one in zones.values() for province in one["provinces"]
    }
