"""How urgent an outage is: who is without what, at which hour; `incidents.toml` has the figures."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("incidents.toml")


class Priority(StrEnum):
    """How urgent an incident is."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Need:
    """Who needs a kind of point, and when."""

    people: int
    weight: float
    days: tuple[int, ...]
    """1, Monday, to 7."""
    from_hour: int
    to_hour: int

    def is_now(self, local: datetime) -> bool:
        """Tell whether the point is needed at a time of its own zone."""
        return local.isoweekday() in self.days and self.from_hour <= local.hour < self.to_hour


def score(kind: str, local: datetime, people: int | None = None) -> float:
    """Return how urgent the outage of one point is; `local` is the time in the point's zone.

    `people` are those that it serves; while nobody has said, the kind's usual number is taken.
    That of many points is the sum of theirs.
    """
    need = _needs().get(kind) or _needs()["default"]
    away = 1.0 if need.is_now(local) else float(sections()["priority"]["away"])
    return (need.people if people is None else people) * need.weight * away


def priority_of(urgency: float) -> Priority:
    """Return the priority that a score, or a sum of scores, means."""
    bounds = sections()["priority"]
    for priority in (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM):
        if urgency >= bounds[priority.lower()]:
            return priority
    return Priority.LOW


@cache
def sections() -> Mapping[str, Any]:
    """Return the file's tables."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def _needs() -> Mapping[str, Need]:
    default = sections()["default"]
    kinds = {n: t for n, t in sections().items() if n not in ("area", "priority")}
    return {
        name: Need(**{**default, **own, "days": tuple((default | own)["days"])})
        for name, own in kinds.items()
    }
