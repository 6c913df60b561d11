"""The rules by which measurements become a state: data, one set for each technology."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("rules.toml")
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Rules:
    """What stands in `rules.toml` for one technology."""

    slow_ms: float
    loss: float
    """A part of the packets, 0 to 1."""
    silent_to_down: int
    answered_to_leave_down: int
    poor_to_degraded: int
    good_to_up: int
    fresh_s: float


def rules_of(technology: str) -> Rules:
    """Return the rules for a technology as the inventory names it; "" and unknown ones: default."""
    return _all().get(technology) or _all()[DEFAULT]


@cache
def _all() -> Mapping[str, Rules]:
    sets = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: Rules(**(sets[DEFAULT] | own)) for name, own in sets.items()}
