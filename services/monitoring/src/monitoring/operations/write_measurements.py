"""Writing measurements out of the stream: rows, the state that they show, and who is told.

All of a batch is one transaction; the stream is told after the commit. A batch that comes again
changes nothing, since a measurement is stored once. Two writers of one partition wait for each
other at its row; whichever comes first, the timeline is the same.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from common.events.event import Event, event_of
from common.events.outbox import append
from common.postgres.database import Connection
from smartcity.monitoring.v1.events_pb2 import StatusChanged
from smartcity.monitoring.v1.status_pb2 import MAINTENANCE, Status

from monitoring.domain.columns import Columns
from monitoring.domain.observation import in_order
from monitoring.domain.partitions import partition_of
from monitoring.domain.progress import advance
from monitoring.domain.rules import DEFAULT, rules_of
from monitoring.domain.series import Series, in_us, series_in
from monitoring.domain.timeline import Memory, State, expire
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import incident_queue, statuses, timelines
from monitoring.storage import measurements as rows
from monitoring.storage.measurements import PointKey, key_of
from monitoring.storage.timelines import Change, Known

NO_SERIES = Series.of_observations([], rules_of(DEFAULT))
FIELDS_OF_CHANGE = (
    "flapping",
    "lastMeasurementTime",
    "measuredState",
    "reason",
    "since",
    "state",
)
FIELDS_UNDER_MAINTENANCE = ("flapping", "lastMeasurementTime", "measuredState")


async def write_measurements(needs: Dependencies, partition: int, columns: Columns) -> int:
    """Write a batch of one partition; return how many were new."""
    kept = columns.take(columns.time_us >= in_us(needs.oldest)).distinct()
    if not len(kept):
        return 0
    async with needs.database.transaction() as connection:
        await timelines.lock_partition(connection, partition)
        known = await timelines.read(connection, [key_of(name) for name in kept.spans()])
        stored = await _store(connection, kept, known)
        await _apply(connection, known, stored.series, needs.clock())
    return stored.count


async def expire_statuses(needs: Dependencies, at_most: int = 1000) -> int:
    """Make those points UNKNOWN that nobody has measured lately; return how many were looked at."""
    now = needs.clock()
    async with needs.database.transaction() as connection:
        keys = await timelines.stale(connection, now, at_most)
        await lock_writers(connection, keys)
        known = await timelines.read(connection, keys)
        await _apply(connection, known, dict.fromkeys(keys, NO_SERIES), now)
    return len(keys)


async def lock_writers(connection: Connection, keys: Collection[PointKey]) -> None:
    """Make whoever changes the states of these points wait until this transaction's end."""
    partitions = {partition_of(f"regions/{key.region}/points/{key.point_id}") for key in keys}
    for partition in sorted(partitions):
        await timelines.lock_partition(connection, partition)


@dataclass(slots=True)
class _Stored:
    """What was new of a batch."""

    count: int = 0
    series: dict[PointKey, Series] = field(default_factory=dict)


async def _store(
    connection: Connection, batch: Columns, known: Mapping[PointKey, Known]
) -> _Stored:
    """Store what is new of a batch.

    What lies after everything that its point's memory holds is new as a rule, and copied; whether
    others are stored already is asked of each.
    """
    rules = {name: rules_of(known[key_of(name)].technology) for name in batch.spans()}
    ahead = batch.point.where(_ahead(batch, known).__contains__)
    stored, asked = _Stored(), ~ahead
    if ahead.any():
        some = batch.take(ahead)
        if await rows.copy_new(connection, some):
            stored.count = len(some)
            found = series_in(some, rules)
            stored.series = {key_of(name): series for name, series in found.items()}
        else:
            asked = np.ones(len(batch), np.bool_)
    if asked.any():
        found_new = await rows.insert_new(connection, batch.take(asked))
        stored.count += sum(map(len, found_new.values()))
        for key, seen in found_new.items():
            of_point = rules_of(known[key].technology)
            stored.series[key] = Series.of_observations(sorted(seen, key=in_order), of_point)
    return stored


def _ahead(batch: Columns, known: Mapping[PointKey, Known]) -> set[str]:
    """Return the points of which everything in a sorted batch is later than what is known."""
    found = set()
    for name, span in batch.spans().items():
        last = known[key_of(name)].memory.last
        if last is None or batch.time_us[span.start] > in_us(last):
            found.add(name)
    return found


async def _apply(
    connection: Connection,
    known: Mapping[PointKey, Known],
    new: Mapping[PointKey, Series],
    now: datetime,
) -> None:
    late = {key: seen.first for key, seen in new.items() if _is_late(known[key].memory, seen)}
    begins = await timelines.go_back(connection, late) if late else {}
    changes = []
    for key, seen in new.items():
        begin = _Begin(key, known[key], begins.get(key, known[key].memory))
        changes.append(_change(begin, await _since(connection, begin, seen), now))
    if not changes:
        return
    await timelines.write(connection, changes)
    changed = [c for c in changes if _is_told(c)]
    # Of a point that is out of service, or was deleted meanwhile, nobody is told: it is not listed.
    keys = [c.key for c in changed]
    shown = await statuses.read_some(connection, keys, now, in_service=True)
    await append(connection, [_event(c, shown[c.key]) for c in changed if c.key in shown])
    looks = [(c.key, time) for c in changes if (time := _outage_from(c))]
    await incident_queue.append(connection, [k for k, _ in looks], [t for _, t in looks])


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where a point's timeline is begun from anew: what is stored, or an earlier memory."""

    key: PointKey
    known: Known
    memory: Memory


async def _since(connection: Connection, begin: _Begin, new: Series) -> Series:
    """Return what came after the memory; what is stored is read when that is not the latest one."""
    if begin.memory.last == begin.known.memory.last:
        return new
    seen = await rows.read_after(connection, begin.key, begin.memory.last)
    return Series.of_observations(seen, rules_of(begin.known.technology))


def _change(begin: _Begin, new: Series, now: datetime) -> Change:
    """Return what new measurements make of a point's timeline."""
    rules = rules_of(begin.known.technology)
    progress = advance(begin.memory, new, rules)
    before = progress.memory
    memory, begun = expire(before, now, rules)
    progress.note(begun)
    if begun:
        progress.checkpoints.append(before)
    fresh_until = (memory.last or now) + timedelta(seconds=rules.fresh_s)
    come = (memory, fresh_until, progress.begun, progress.checkpoints)
    return Change(begin.key, begin.known.memory, begin.memory, *come)


def _is_late(memory: Memory, seen: Series) -> bool:
    """Tell whether a measurement lies before what the memory already holds for certain."""
    if memory.last is None or memory.current is None or not len(seen):
        return False
    return seen.first <= memory.last or seen.first < memory.current.start


def _is_told(change: Change) -> bool:
    before, after = change.before.current, change.memory.current
    if before is None:
        return after is not None and after.state is not State.UNKNOWN
    if change.before.flapping is not change.memory.flapping:
        return True
    return after is not None and (before.state, before.start) != (after.state, after.start)


def _outage_from(change: Change) -> datetime | None:
    """Return from when on a point's outages may be others than before; None when they are not."""
    if change.begin is not change.before:
        return change.kept or (change.begun[0].start if change.begun else None)
    if change.before.flapping is not change.memory.flapping:
        return change.before.last
    states = {change.before.state, *(boundary.state for boundary in change.begun)}
    may_be = State.DOWN in states or change.before.state is State.UNKNOWN
    return change.begun[0].start if change.begun and may_be else None


def _event(change: Change, status: Status) -> Event:
    covered = status.state == MAINTENANCE
    body = StatusChanged(
        status=status,
        previous_state=MAINTENANCE if covered else statuses.NUMBERS[change.before.state],
        changed_fields=FIELDS_UNDER_MAINTENANCE if covered else FIELDS_OF_CHANGE,
    )
    return event_of(body, status.name)
