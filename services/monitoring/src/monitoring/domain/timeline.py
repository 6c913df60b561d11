"""The state of a point as a function of its measurements.

`observe` takes one measurement after the other in their order of time; what it carries between
them is a `Memory`. Whoever learns of an earlier measurement begins again from an earlier memory, so
that the order of arrival decides nothing. A state begins with the first of the measurements that
led to it, not with the one that made it certain: the minutes of an outage count from its begin.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monitoring.domain.observation import Observation, Verdict, in_order
from monitoring.domain.rules import Rules

LONG_ENOUGH = 1000
REMEMBERED = 20
FLAPPING_FROM, FLAPPING_UNTIL = 0.30, 0.25
"""Icinga 2's thresholds: a part of the last twenty measurements that differ from the one before."""


class State(StrEnum):
    """How a point's line is."""

    UP = "UP"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Run:
    """Measurements of one kind, one after the other, up to the latest."""

    count: int = 0
    start: datetime | None = None

    def after(self, time: datetime, *, goes_on: bool) -> "Run":
        """Return the run with one more measurement, or none when that one is of another kind.

        A run that is long enough for any rule grows no more: most measurements change nothing.
        """
        return self.longer(1, time) if goes_on else NO_RUN

    def longer(self, count: int, first: datetime) -> "Run":
        """Return the run with so many more measurements, of which this is the first one's time."""
        if self.count >= LONG_ENOUGH:
            return self
        return Run(min(self.count + count, LONG_ENOUGH), self.start or first)


NO_RUN = Run()


@dataclass(frozen=True, slots=True)
class Boundary:
    """A state begins; it lasts until the next boundary."""

    start: datetime
    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Memory:
    """All that the past means for what comes."""

    current: Boundary | None = None
    """None before the first measurement."""
    last: datetime | None = None
    good: Run = NO_RUN
    answered: Run = NO_RUN
    poor: Run = NO_RUN
    """Poor or silent."""
    silent: Run = NO_RUN
    turns: int = 0
    """A bit for each of the last twenty measurements, the latest lowest: it was of another kind."""
    verdict: Verdict = Verdict.GOOD
    """What the latest said."""
    flapping: bool = False

    @property
    def state(self) -> State:
        """The state now."""
        return self.current.state if self.current else State.UNKNOWN


def observe(memory: Memory, seen: Observation, rules: Rules) -> tuple[Memory, list[Boundary]]:
    """Return the memory after a measurement, and the boundaries that it made certain.

    The boundaries are in order and none lies before the start of the state they end. One at
    that very start replaces it.
    """
    verdict = seen.verdict(rules)
    if verdict is None:
        return memory, []
    memory, begun = expire(memory, seen.time, rules)
    if memory.current is None:
        first = Boundary(seen.time, State.UNKNOWN, "the first measurement")
        memory, begun = Memory(first), [first]
    memory = Memory(
        memory.current,
        seen.time,
        memory.good.after(seen.time, goes_on=verdict is Verdict.GOOD),
        memory.answered.after(seen.time, goes_on=verdict is not Verdict.SILENT),
        memory.poor.after(seen.time, goes_on=verdict is not Verdict.GOOD),
        memory.silent.after(seen.time, goes_on=verdict is Verdict.SILENT),
        *_turned(memory, verdict),
    )
    decided = _decided(memory, rules)
    if decided is None:
        return memory, begun
    return replace(memory, current=decided), [*begun, decided]


def expire(memory: Memory, now: datetime, rules: Rules) -> tuple[Memory, list[Boundary]]:
    """Return what silence of the probes until `now` means: UNKNOWN once the last is not fresh."""
    if memory.last is None:
        return memory, []
    end = memory.last + timedelta(seconds=rules.fresh_s)
    if end >= now:
        return memory, []
    if memory.state is State.UNKNOWN:
        return Memory(memory.current, memory.last), []
    unknown = Boundary(end, State.UNKNOWN, f"no measurement for {rules.fresh_s:g} s")
    return Memory(unknown, memory.last), [unknown]


def boundaries(observations: Iterable[Observation], rules: Rules) -> list[Boundary]:
    """Return the whole timeline of some measurements of a point, in whatever order they are given.

    The reference for what the service does step by step.
    """
    memory, found = Memory(), list[Boundary]()
    for seen in sorted(set(observations), key=in_order):
        memory, begun = observe(memory, seen, rules)
        for boundary in begun:
            if found and found[-1].start == boundary.start:
                found.pop()
            found.append(boundary)
    return found


def turning(turns: int) -> float:
    """Return how restless measurements are, 0 to 1, later ones counting more.

    Icinga 2's sum: the oldest of twenty weighs 0.8, the latest 1.18.
    """
    return sum(1.18 - 0.02 * age for age in range(REMEMBERED) if turns >> age & 1) / REMEMBERED


def _turned(memory: Memory, verdict: Verdict) -> tuple[int, Verdict, bool]:
    """Return what is remembered of turns once a measurement has come."""
    turned = memory.last is not None and verdict is not memory.verdict
    if not (turned or memory.turns):
        return 0, verdict, False
    turns = (memory.turns << 1 | turned) & (1 << REMEMBERED) - 1
    bound = FLAPPING_UNTIL if memory.flapping else FLAPPING_FROM
    return turns, verdict, turning(turns) > bound


def _decided(memory: Memory, rules: Rules) -> Boundary | None:
    """Return the state that the runs make certain, when it is another one."""
    state = memory.state
    if state is not State.DOWN and memory.silent.count >= rules.silent_to_down:
        return _begun(memory.silent, State.DOWN, "measurements without an answer")
    if state is State.DOWN:
        return _after_down(memory, rules)
    if state is not State.DEGRADED and memory.poor.count >= rules.poor_to_degraded:
        return _begun(memory.poor, State.DEGRADED, "measurements slow or with losses")
    needed = 1 if state is State.UNKNOWN else rules.good_to_up
    if state is not State.UP and memory.good.count >= needed:
        return _begun(memory.good, State.UP, "measurements as they should be")
    return None


def _after_down(memory: Memory, rules: Rules) -> Boundary | None:
    needed = rules.answered_to_leave_down
    if memory.good.count >= needed:
        return _begun(memory.good, State.UP, "measurements as they should be")
    if memory.answered.count >= needed and memory.good.count == 0:
        return _begun(memory.answered, State.DEGRADED, "measurements slow or with losses")
    return None


def _begun(run: Run, state: State, what: str) -> Boundary:
    if run.start is None:
        raise ValueError("a run without measurements decides nothing")
    return Boundary(run.start, state, f"{run.count} {what}")
