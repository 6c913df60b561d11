"""Statuses, intervals and checkpoints: what the engine has made of the measurements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest

from common.postgres.database import Connection

from monitoring.domain.timeline import Boundary, Memory, State
from monitoring.storage.measurements import PointKey
from monitoring.storage.memories import packed, unpacked

LOCK_PARTITION = """
SELECT partition_id
  FROM writer_partitions
 WHERE partition_id = $1
   FOR UPDATE
"""

READ = """
SELECT region_code, point_id, memory, coalesce(technology, '') AS technology
  FROM unnest($1::text[], $2::text[]) AS wanted (region_code, point_id)
  LEFT JOIN points USING (region_code, point_id)
  LEFT JOIN statuses USING (region_code, point_id)
"""

READ_CHECKPOINTS = """
SELECT region_code, point_id, memory
  FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS late (region_code, point_id, from_time)
 CROSS JOIN LATERAL (
       SELECT memory
         FROM checkpoints
        WHERE checkpoints.region_code = late.region_code AND checkpoints.point_id = late.point_id
          AND last_time < from_time
        ORDER BY last_time DESC
        LIMIT 1) AS latest
"""

FORGET_CHECKPOINTS = """
DELETE FROM checkpoints
 USING unnest($1::text[], $2::text[], $3::timestamptz[]) AS late (region_code, point_id, from_time)
 WHERE checkpoints.region_code = late.region_code AND checkpoints.point_id = late.point_id
   AND last_time >= from_time
"""

PRUNE_CHECKPOINTS = """
DELETE FROM checkpoints AS old
 WHERE last_time < $1
   AND EXISTS (
       SELECT
         FROM checkpoints AS later
        WHERE later.region_code = old.region_code AND later.point_id = old.point_id
          AND later.last_time > old.last_time AND later.last_time < $1)
"""

STORE_CHECKPOINTS = """
INSERT INTO checkpoints (region_code, point_id, last_time, memory)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::jsonb[])
    ON CONFLICT (region_code, point_id, last_time) DO UPDATE
   SET memory = excluded.memory
"""

CUT_INTERVALS = """
DELETE FROM state_intervals AS interval
 USING unnest($1::text[], $2::text[], $3::timestamptz[], $4::boolean[])
       AS cut (region_code, point_id, kept, with_kept)
 WHERE interval.region_code = cut.region_code AND interval.point_id = cut.point_id
   AND (kept IS NULL OR start_time > kept OR (with_kept AND start_time = kept))
"""

END_INTERVALS = """
UPDATE state_intervals AS interval
   SET end_time = ended.end_time
  FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
       AS ended (region_code, point_id, start_time, end_time)
 WHERE interval.region_code = ended.region_code AND interval.point_id = ended.point_id
   AND interval.start_time = ended.start_time
"""

STORE_INTERVALS = """
INSERT INTO state_intervals (region_code, point_id, start_time, end_time, state, reason)
SELECT *
  FROM unnest(
       $1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[])
"""

STORE_STATUSES = """
INSERT INTO statuses (
       region_code, point_id, state, since, reason, last_time, fresh_until, memory, flapping)
SELECT *
  FROM unnest(
       $1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[],
       $7::timestamptz[], $8::jsonb[], $9::boolean[])
    ON CONFLICT (region_code, point_id) DO UPDATE
   SET state = excluded.state, since = excluded.since, reason = excluded.reason,
       last_time = excluded.last_time, fresh_until = excluded.fresh_until,
       memory = excluded.memory, flapping = excluded.flapping
"""

STALE = """
SELECT region_code, point_id
  FROM statuses
 WHERE state <> 'UNKNOWN' AND fresh_until < $1
 ORDER BY fresh_until
 LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored about a point."""

    memory: Memory
    technology: str


@dataclass(slots=True)
class Change:
    """What a point's new measurements make of its timeline."""

    key: PointKey
    before: Memory
    """As it was stored."""
    begin: Memory
    """What was begun from: `before`, or an earlier one when measurements came late."""
    memory: Memory
    fresh_until: datetime
    begun: list[Boundary] = field(default_factory=list)
    """The boundaries from there on, in order, no two at one time."""
    checkpoints: list[Memory] = field(default_factory=list)

    @property
    def kept(self) -> datetime | None:
        """The start of the last interval that stays."""
        return self.begin.current.start if self.begin.current else None


async def lock_partition(connection: Connection, partition: int) -> None:
    """Make every other writer of the partition wait until this transaction's end."""
    await connection.execute(LOCK_PARTITION, partition)


async def read(connection: Connection, keys: Collection[PointKey]) -> dict[PointKey, Known]:
    """Return what is stored about points; an empty memory before the first measurement."""
    return {
        PointKey(row["region_code"], row["point_id"]): Known(
            unpacked(row["memory"]) if row["memory"] else Memory(), row["technology"]
        )
        for row in await connection.fetch(READ, *_columns(keys, 2))
    }


async def go_back(
    connection: Connection, times: Mapping[PointKey, datetime]
) -> dict[PointKey, Memory]:
    """Return each point's memory before a time, and forget those that come after."""
    late = _columns([(*key, time) for key, time in times.items()], 3)
    await connection.execute(FORGET_CHECKPOINTS, *late)
    found = dict.fromkeys(times, Memory())
    for row in await connection.fetch(READ_CHECKPOINTS, *late):
        found[PointKey(row["region_code"], row["point_id"])] = unpacked(row["memory"])
    return found


async def prune(connection: Connection, oldest: datetime) -> None:
    """Forget checkpoints that no measurement from `oldest` on can need: all but one before it."""
    await connection.execute(PRUNE_CHECKPOINTS, oldest)


async def stale(connection: Connection, now: datetime, at_most: int) -> list[PointKey]:
    """Return points whose latest measurement is not fresh any more and who are not UNKNOWN yet."""
    rows = await connection.fetch(STALE, now, at_most)
    return [PointKey(row["region_code"], row["point_id"]) for row in rows]


async def write(connection: Connection, changes: Sequence[Change]) -> None:
    """Store the changes of some points; each point once."""
    moved = [c for c in changes if c.begun or c.begin is not c.before]
    cuts = [(*c.key, c.kept, bool(c.begun and c.begun[0].start == c.kept)) for c in moved]
    ends = [(*c.key, c.kept, c.begun[0].start if c.begun else None) for c in moved if c.kept]
    rows = [row for c in moved for row in _intervals(c)]
    if moved:
        await connection.execute(CUT_INTERVALS, *_columns(cuts, 4))
        await connection.execute(END_INTERVALS, *_columns(ends, 4))
        await connection.execute(STORE_INTERVALS, *_columns(rows, 6))
    checkpoints = [(*c.key, m.last, packed(m)) for c in changes for m in c.checkpoints]
    if checkpoints:
        await connection.execute(STORE_CHECKPOINTS, *_columns(checkpoints, 4))
    statuses = [_status(c) for c in changes if c.memory.current]
    await connection.execute(STORE_STATUSES, *_columns(statuses, 9))


def _intervals(change: Change) -> Iterable[tuple[object, ...]]:
    for boundary, after in zip_longest(change.begun, change.begun[1:]):
        end = after.start if after else None
        yield (*change.key, boundary.start, end, boundary.state.value, boundary.reason)


def _status(change: Change) -> tuple[object, ...]:
    memory = change.memory
    current = memory.current or Boundary(change.fresh_until, State.UNKNOWN, "")
    return (
        *change.key,
        current.state.value,
        current.start,
        current.reason,
        memory.last,
        change.fresh_until,
        packed(memory),
        memory.flapping,
    )


def _columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Return rows as one list for each column."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
