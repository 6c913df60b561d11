"""The engine's memory as JSON."""

from datetime import datetime
from typing import Any

import orjson

from monitoring.domain.observation import Verdict
from monitoring.domain.timeline import Boundary, Memory, Run, State

RUNS = ("good", "answered", "poor", "silent")


def packed(memory: Memory) -> str:
    """Return the memory as JSON."""
    return orjson.dumps(memory).decode()


def unpacked(text: str) -> Memory:
    """Return the memory that `packed` wrote."""
    stored: dict[str, Any] = orjson.loads(text)
    current = stored["current"]
    return Memory(
        Boundary(_time(current["start"]), State(current["state"]), current["reason"])
        if current
        else None,
        _time(stored["last"]) if stored["last"] else None,
        **{name: _run(stored[name]) for name in RUNS},
        turns=stored.get("turns", 0),
        verdict=Verdict(stored.get("verdict", Verdict.GOOD)),
        flapping=stored.get("flapping", False),
    )


def _run(stored: dict[str, Any]) -> Run:
    return Run(stored["count"], _time(stored["start"]) if stored["start"] else None)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
