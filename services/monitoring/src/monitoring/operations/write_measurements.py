"""Writing measurements out of the stream: rows, the state that they show, and who is told.

All of a batch is one transaction; the stream is told after the commit. A batch that comes again
changes nothing, since a measurement is stored once. Two writers of one partition wait for each
other at its row; whichever comes first, the timeline is the same.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from common.events.event import Event, event_of
from common.events.outbox import append
from common.postgres.database import Connection
from smartcity.monitoring.v1.events_pb2 import StatusChanged
from smartcity.monitoring.v1.measurement_pb2 import Measurement
from smartcity.monitoring.v1.status_pb2 import Status

from monitoring.domain.observation import Observation, in_order
from monitoring.domain.partitions import partition_of
from monitoring.domain.rules import Rules, rules_of
from monitoring.domain.timeline import Boundary, Memory, State, expire, observe
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import measurements as rows
from monitoring.storage import statuses, timelines
from monitoring.storage.measurements import PointKey
from monitoring.storage.timelines import Change, Known

HOUR = timedelta(hours=1)
FIELDS_OF_CHANGE = ("lastMeasurementTime", "reason", "since", "state")


async def write_measurements(
    needs: Dependencies, partition: int, measurements: Sequence[Measurement]
) -> int:
    """Write a batch of one partition; return how many were new."""
    async with needs.database.transaction() as connection:
        await timelines.lock_partition(connection, partition)
        new = await rows.insert_new(connection, measurements, needs.oldest)
        if new:
            await _apply(connection, new, needs.clock())
    return sum(map(len, new.values()))


async def expire_statuses(needs: Dependencies, at_most: int = 1000) -> int:
    """Make those points UNKNOWN that nobody has measured lately; return how many were looked at."""
    now = needs.clock()
    async with needs.database.transaction() as connection:
        keys = await timelines.stale(connection, now, at_most)
        partitions = sorted(
            {partition_of(f"regions/{key.region}/points/{key.point_id}") for key in keys}
        )
        for partition in partitions:
            await timelines.lock_partition(connection, partition)
        await _apply(connection, {key: [] for key in keys}, now)
    return len(keys)


async def _apply(
    connection: Connection, new: Mapping[PointKey, Sequence[Observation]], now: datetime
) -> None:
    known = await timelines.read(connection, new.keys())
    changes = [await _change(connection, key, known[key], seen, now) for key, seen in new.items()]
    await timelines.write(connection, changes)
    changed = [c for c in changes if _is_told(c)]
    shown = await statuses.read_some(connection, [c.key for c in changed])
    # Of a point that was deleted meanwhile nobody is told.
    await append(connection, [_event(c, shown[c.key]) for c in changed if c.key in shown])


async def _change(
    connection: Connection,
    key: PointKey,
    known: Known,
    new: Sequence[Observation],
    now: datetime,
) -> Change:
    """Return what new measurements make of a point's timeline."""
    rules, begin = rules_of(known.technology), known.memory
    seen: Sequence[Observation] = sorted(new, key=in_order)
    if seen and _is_late(begin, seen[0]):
        begin = await timelines.go_back(connection, key, seen[0].time)
        seen = await rows.read_after(connection, key, begin.last)
    change = Change(key, known.memory, begin, begin, now)
    for observation in seen:
        _step(change, observation, rules)
    before = change.memory
    change.memory, begun = expire(before, now, rules)
    if begun:
        change.checkpoints.append(before)
    _note(change, begun)
    last = change.memory.last or now
    change.fresh_until = last + timedelta(seconds=rules.fresh_s)
    return change


def _is_late(memory: Memory, first: Observation) -> bool:
    """Tell whether a measurement lies before what the memory already holds for certain."""
    if memory.last is None or memory.current is None:
        return False
    return first.time <= memory.last or first.time < memory.current.start


def _step(change: Change, seen: Observation, rules: Rules) -> None:
    before = change.memory
    change.memory, begun = observe(before, seen, rules)
    _note(change, begun)
    if change.memory is not before and _ends_an_hour(before, seen):
        change.checkpoints.append(before)


def _note(change: Change, begun: Sequence[Boundary]) -> None:
    for boundary in begun:
        if change.begun and change.begun[-1].start == boundary.start:
            change.begun.pop()
        change.begun.append(boundary)


def _ends_an_hour(memory: Memory, next_one: Observation) -> bool:
    """Tell whether a memory is worth a checkpoint; one that has expired has its own already."""
    if memory.last is None or memory.current is None or memory.current.start > memory.last:
        return False
    return memory.last.hour != next_one.time.hour or next_one.time - memory.last >= HOUR


def _is_told(change: Change) -> bool:
    before, after = change.before.current, change.memory.current
    if before is None:
        return after is not None and after.state is not State.UNKNOWN
    return after is not None and (before.state, before.start) != (after.state, after.start)


def _event(change: Change, status: Status) -> Event:
    body = StatusChanged(
        status=status,
        previous_state=statuses.NUMBERS[change.before.state],
        changed_fields=FIELDS_OF_CHANGE,
    )
    return event_of(body, status.name)
