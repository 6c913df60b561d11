"""The outbox: events written in the transaction of the change that they tell.

The upsert of `event_positions` locks the resource until the transaction's end, so its events are
numbered without gaps in the order in which their transactions commit.
"""

from collections.abc import Iterator, Sequence
from zlib import crc32

import orjson

from common.errors import Kind, ServiceError
from common.events.event import Event
from common.postgres.database import Connection

PARTITIONS = 16
CHANNEL = "outbox"
MOST_BYTES = 900 * 1024
"""Of a body; the bus takes 1 MiB with the headers."""

APPEND = """
WITH given AS (
SELECT *
  FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::jsonb[], $6::bytea[])
       AS given (event_id, partition_id, resource, subject, headers, body)
), numbered AS (
INSERT INTO event_positions AS position (resource, last_sequence)
SELECT resource, 1
  FROM given
 ORDER BY resource
    ON CONFLICT (resource) DO UPDATE
   SET last_sequence = position.last_sequence + 1
RETURNING resource, last_sequence
), written AS (
INSERT INTO outbox (event_id, partition_id, resource, sequence, subject, headers, body)
SELECT event_id, partition_id, resource, last_sequence, subject, headers, body
  FROM given JOIN numbered USING (resource)
)
SELECT pg_notify($7, '')
"""


class EventTooLarge(ServiceError):
    """The event would not fit through the bus, so its change is refused."""

    kind = Kind.TOO_LARGE
    reason = "EVENT_TOO_LARGE"


async def append(connection: Connection, events: Sequence[Event]) -> None:
    """Write the events; they are published when, and only when, the transaction commits.

    Raises:
        EventTooLarge: A body is larger than the bus takes.
    """
    for event in events:
        if len(event.body) > MOST_BYTES:
            sentence = f"what is to be told of {event.resource} is larger than {MOST_BYTES} bytes"
            raise EventTooLarge(sentence, resource=event.resource)
    for round_ in _rounds(events):
        rows = [_row(event) for event in round_]
        await connection.execute(APPEND, *map(list, zip(*rows, strict=True)), CHANNEL)


def partition_of(resource: str) -> int:
    """Return which partition a resource's events belong to: always the same."""
    return crc32(resource.encode()) % PARTITIONS


def _rounds(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Split so that no resource is twice in one round, for one statement numbers it once."""
    rest = list(events)
    while rest:
        first: dict[str, Event] = {}
        later = [event for event in rest if first.setdefault(event.resource, event) is not event]
        yield list(first.values())
        rest = later


def _row(event: Event) -> tuple[object, ...]:
    headers = event.headers()
    del headers["ce-sequence"]
    return (
        event.event_id,
        partition_of(event.resource),
        event.resource,
        event.subject,
        orjson.dumps(headers).decode(),
        event.body,
    )
