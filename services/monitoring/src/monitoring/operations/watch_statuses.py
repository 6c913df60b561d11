"""Watching the statuses of a region: all of them once, then every change, none missed.

The place in the stream is read before the statuses are: what is published after it is told as a
change, and what was published before it is in them. A change that they hold already is known by its
number and not told again.
"""

import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import nats.errors
from common.auth.tokens import Unauthenticated
from common.caller import current_caller
from common.errors import FieldsInvalid, Violation
from common.events.bus import BusAway
from common.events.event import Event, event_from, type_of
from common.names import last_id
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.events_pb2 import StatusChanged, StatusRemoved
from smartcity.monitoring.v1.status_pb2 import (
    Status,
    WatchStatusesRequest,
    WatchStatusesResponse,
)

from monitoring.operations.dependencies import Dependencies
from monitoring.storage import statuses

STREAM = "MONITORING"
PART = 500
HEARTBEAT_S = 10.0
REMOVED = type_of(StatusRemoved.DESCRIPTOR)
NEW = "name"
"""Among the changed fields of a status that begins to be listed only."""
MARK_DIGITS = 8


async def watch_statuses(
    needs: Dependencies, request: WatchStatusesRequest
) -> AsyncGenerator[WatchStatusesResponse, None]:
    """Yield the whole unless the token resumes, then changes and signs of life.

    Raises:
        FieldsInvalid: The token is none.
        BusAway: The bus went away: resume.
        Unauthenticated: The caller's token has expired: resume with another one.
    """
    jetstream = needs.bus.jetstream
    stream = await _stream(jetstream)
    place, told = stream.resumed(request.resume_token), {}
    if place is None:
        place, region = stream.last, last_id(request.parent)
        async with needs.database.snapshot() as connection:
            told = await statuses.positions(connection, region)
            shown = await statuses.all_of(connection, request, needs.clock())
        for start in range(0, len(shown), PART):
            yield WatchStatusesResponse(statuses=shown[start : start + PART], is_snapshot=True)
    yield WatchStatusesResponse(resume_token=stream.token(place))
    async with aclosing(_followed(jetstream, request.parent, place)) as follow:
        async for event, place in follow:
            _refuse_expired()
            news = event is not None and event.sequence > told.get(event.resource, 0)
            part = _told(request, event) if event and news else WatchStatusesResponse()
            part.resume_token = stream.token(place)
            yield part


def _told(request: WatchStatusesRequest, event: Event) -> WatchStatusesResponse:
    """Return what a change tells if the status matches, or did before the change."""
    if event.type == REMOVED:
        status = StatusRemoved.FromString(event.body).status
        removed = [status.point] if _matches(request, status, status.state) else []
        return WatchStatusesResponse(removed_points=removed)
    change = StatusChanged.FromString(event.body)
    fields = () if NEW in change.changed_fields else change.changed_fields
    matches = _matches(request, change.status, change.previous_state, fields)
    return WatchStatusesResponse(statuses=[change.status] if matches else [])


def _matches(
    request: WatchStatusesRequest,
    status: Status,
    previous: status_pb2.State.ValueType,
    fields: Collection[str] = (),
) -> bool:
    """Tell whether a status matches or, as its `fields` have changed, may have matched before."""
    return bool(
        (not request.state or {status.state, previous} & set(request.state))
        and (not request.kind or status.kind in request.kind or "kind" in fields)
        and (request.district in ("", status.district) or "district" in fields)
        and (
            not request.provider
            or set(status.providers) & set(request.provider)
            or "providers" in fields
        )
    )


@dataclass(frozen=True, slots=True)
class _Stream:
    """The stream of events at one moment."""

    mark: str
    """Another one when the stream was made anew."""
    first: int
    last: int

    def token(self, place: int) -> str:
        return f"{self.mark}-{place}"

    def resumed(self, token: str) -> int | None:
        """Return the place that a token means; None when the whole must be told again."""
        mark, _, place = token.partition("-")
        if token and not (len(mark) == MARK_DIGITS and place.isdecimal()):
            sentence = "is not a token of this stream; begin again without it"
            raise FieldsInvalid([Violation("resumeToken", sentence, "RESUME_TOKEN_INVALID")])
        if not token or mark != self.mark or not self.first - 1 <= int(place) <= self.last:
            return None
        return int(place)


async def _stream(jetstream: JetStreamContext) -> _Stream:
    info: Any = await jetstream.stream_info(STREAM)
    mark = f"{crc32(str(info.created).encode()):0{MARK_DIGITS}x}"
    return _Stream(mark, info.state.first_seq, info.state.last_seq)


async def _followed(
    jetstream: JetStreamContext, parent: str, place: int
) -> AsyncGenerator[tuple[Event | None, int], None]:
    """Yield events with their place in the stream; None now and then while there are none."""
    subject = f"smartcity.{last_id(parent).replace('.', '')}.monitoring.status.>"
    start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=place + 1)
    try:
        follow = await jetstream.subscribe(
            subject, stream=STREAM, ordered_consumer=True, config=start
        )
        try:
            while True:
                try:
                    message = await follow.next_msg(HEARTBEAT_S)
                except TimeoutError:
                    await _refuse_silence(jetstream, subject, place)
                    yield None, place
                    continue
                place = message.metadata.sequence.stream
                yield event_from(message.headers, message.data), place
        finally:
            with suppress(nats.errors.Error, OSError):
                await follow.unsubscribe()
    except (nats.errors.Error, OSError) as error:
        raise BusAway("the stream of changes broke; resume") from error


async def _refuse_silence(jetstream: JetStreamContext, subject: str, place: int) -> None:
    """Refuse to go on with a subscription that a restart of the bus has made deaf."""
    try:
        last = await jetstream.get_last_msg(STREAM, subject)
    except NotFoundError:
        return
    if (last.seq or 0) > place:
        raise BusAway("the stream of changes fell silent; resume")


def _refuse_expired() -> None:
    if current_caller().expires < time.time():
        raise Unauthenticated("the token has expired; resume with another one")
