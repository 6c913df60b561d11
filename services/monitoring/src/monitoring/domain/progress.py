"""What measurements make of a memory: the same as `observe` one by one, in fewer steps.

Most measurements say what the one before said and change nothing but counts. A stretch of such
ones is taken at once; every other goes through `observe`, which stays the reference (a test holds
the two against each other).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from monitoring.domain.columns import HOUR_US, Numbers
from monitoring.domain.observation import Observation, Verdict
from monitoring.domain.rules import Rules
from monitoring.domain.series import Series, in_us, time_of
from monitoring.domain.timeline import NO_RUN, Boundary, Memory, Run, State, observe

HOUR = timedelta(hours=1)
SETTLED = {
    (State.UP, Verdict.GOOD),
    (State.DEGRADED, Verdict.POOR),
    (State.DOWN, Verdict.SILENT),
}
"""States that more of the same verdict can only confirm."""


@dataclass(slots=True)
class Progress:
    """What has come of some measurements so far."""

    memory: Memory
    begun: list[Boundary] = field(default_factory=list)
    """The boundaries that became certain, in order, no two at one time."""
    checkpoints: list[Memory] = field(default_factory=list)
    """The memory at the end of each hour."""

    def step(self, seen: Observation, rules: Rules) -> None:
        """Take one measurement."""
        before = self.memory
        self.memory, begun = observe(before, seen, rules)
        self.note(begun)
        if self.memory is not before and _ends_an_hour(before, seen):
            self.checkpoints.append(before)

    def note(self, begun: Sequence[Boundary]) -> None:
        """Add boundaries; one at the very start of the last replaces it."""
        for boundary in begun:
            if self.begun and self.begun[-1].start == boundary.start:
                self.begun.pop()
            self.begun.append(boundary)

    def confirm(self, times_us: Numbers) -> None:
        """Take measurements that say once more what a settled memory holds."""
        memory, first = self.memory, time_of(times_us[0])
        hours = times_us // HOUR_US
        if memory.last and in_us(memory.last) // HOUR_US != hours[0]:
            self.checkpoints.append(memory)
        for place in (np.flatnonzero(np.diff(hours)) + 1).tolist():
            last = time_of(times_us[place - 1])
            self.checkpoints.append(_confirmed(memory, place, first, last))
        self.memory = _confirmed(memory, len(times_us), first, time_of(times_us[-1]))


def advance(memory: Memory, series: Series, rules: Rules) -> Progress:
    """Return what a series makes of a memory that ends before it."""
    progress, ends, row = Progress(memory), series.run_ends(rules), 0
    while row < len(series.times_us):
        end = ends[bisect_right(ends, row)]
        if _is_confirmed(progress.memory, series, row, rules):
            progress.confirm(series.times_us[row:end])
            row = end
        else:
            progress.step(series.seen(row), rules)
            row += 1
    return progress


def _is_confirmed(memory: Memory, series: Series, row: int, rules: Rules) -> bool:
    """Tell whether a measurement changes nothing but counts."""
    if memory.last is None or memory.turns or memory.flapping:
        return False
    if memory.verdict != series.verdicts[row] or (memory.state, memory.verdict) not in SETTLED:
        return False
    end = memory.last + timedelta(seconds=rules.fresh_s)
    return int(series.times_us[row]) <= in_us(end)


def _confirmed(memory: Memory, count: int, first: datetime, last: datetime) -> Memory:
    """Return a settled memory after so many more measurements of its verdict."""
    verdict = memory.verdict

    def longer(run: Run, *, goes_on: bool) -> Run:
        return run.longer(count, first) if goes_on else NO_RUN

    return Memory(
        memory.current,
        last,
        longer(memory.good, goes_on=verdict is Verdict.GOOD),
        longer(memory.answered, goes_on=verdict is not Verdict.SILENT),
        longer(memory.poor, goes_on=verdict is not Verdict.GOOD),
        longer(memory.silent, goes_on=verdict is Verdict.SILENT),
        verdict=verdict,
    )


def _ends_an_hour(memory: Memory, next_one: Observation) -> bool:
    """Tell whether a memory is worth a checkpoint; one that has expired has its own already."""
    if memory.last is None or memory.current is None or memory.current.start > memory.last:
        return False
    return memory.last.hour != next_one.time.hour or next_one.time - memory.last >= HOUR
