"""A consumer: every event has one effect, in order per resource, however often anything dies.

The effect, the event's id and the resource's position are one transaction. An event whose
predecessor has not come yet waits; one that fails is tried again with growing delay and, after
`TRIES`, goes to the dead letters, so that its successors go on.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import nats.errors
from nats.aio.msg import Msg

from common.errors import Kind, ServiceError
from common.events import inbox
from common.events.bus import Bus
from common.events.dead_letters import bury, plain
from common.events.event import Event, EventUnreadable, event_from
from common.events.subscription import ACK_WITHIN_S, Subscription
from common.postgres.database import Connection, Database, DatabaseAway, DatabaseCrowded
from common.telemetry.logs import logger
from common.telemetry.metrics import DEAD_LETTERS, EVENT_SECONDS, EVENTS_HANDLED, show_consumer
from common.telemetry.traces import handling

TRIES = 8
FIRST_DELAY_S = 0.5
AGAIN_S = 1.0
"""When what failed is not the event's fault: the database, a process that was faster."""
BATCH = 200
LONGEST_WAIT_S = 5.0
NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
WHOLE_RESOURCES = re.compile(r"(replay\.[A-Za-z0-9-]+\.>)|([a-z0-9*]+\.){1,4}>")
MOST_WAITING = 100_000
NOT_ITS_FAULT = {Kind.UNAVAILABLE, Kind.CONFLICT, Kind.TIMED_OUT}

Handle = Callable[[Connection, Event], Awaitable[None]]
"""Has the event's effect in the transaction of the connection; raising undoes it."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a consumer wants: its durable name, the stream, and subjects with wildcards."""

    consumer: str
    """Letters, digits and dashes, as `monitoring-points`."""
    stream: str
    subjects: tuple[str, ...]
    """Each ends with `.>` at the noun or before: who skips events of a resource waits at gaps."""
    newest_only: bool = False
    """An event that comes after a later one of its resource, as by a replay, has no effect: for
    copies of what each event tells whole, which would bring back what was deleted."""

    def __post_init__(self) -> None:
        """Refuse what would not work."""
        if not NAME.fullmatch(self.consumer):
            raise ValueError(f"{self.consumer!r} must be letters, digits and dashes")
        wrong = [subject for subject in self.subjects if not WHOLE_RESOURCES.fullmatch(subject)]
        if wrong:
            raise ValueError(f"{wrong} must end with .> at the noun or before")


@dataclass(slots=True)
class Delivered:
    """A message with the event that it holds."""

    message: Msg
    event: Event


@dataclass(slots=True)
class Plan:
    """What to do with each of some delivered events."""

    apply: list[Delivered] = field(default_factory=list)
    known: list[Delivered] = field(default_factory=list)
    waiting: list[Delivered] = field(default_factory=list)
    passed: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Consumer:
    """Handles the events of one interest until it is cancelled; several may share the work."""

    database: Database
    bus: Bus
    interest: Interest
    handle: Handle
    gap_s: float = 15.0
    """How long an event waits for a predecessor that the stream has no more; longer than a relay
    takes to publish again what a lost connection swallowed."""
    first_delay_s: float = FIRST_DELAY_S
    _waiting_since: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Handle new events, and those that an operator sends again."""
        name = self.interest.consumer
        show_consumer(name)
        again = Interest(f"{name}-replays", "REPLAYS", (f"replay.{name}.>",))
        await asyncio.gather(self._follow(self.interest), self._follow(again))

    async def _follow(self, interest: Interest) -> None:
        subscription = Subscription(
            self.bus, interest.stream, interest.consumer, interest.subjects, BATCH
        )
        async with aclosing(subscription.batches()) as batches:
            async for messages in batches:
                try:
                    await self._take(messages)
                except asyncio.CancelledError:
                    for message in messages:  # so that others need not wait for them
                        await _tell(message.nak())
                    raise

    async def _take(self, messages: Sequence[Msg]) -> None:
        delivered = []
        for message in messages:
            try:
                delivered.append(Delivered(message, event_from(message.headers, message.data)))
            except EventUnreadable as error:
                await self._bury(message, str(error), 1, None)
        if delivered:
            await self._work(sorted(delivered, key=lambda one: one.event.sequence))

    async def _work(self, delivered: Sequence[Delivered]) -> None:
        """Handle all in one transaction or, when one fails, each in its own."""
        try:
            plan = await self._apply(delivered)
        except (DatabaseAway, DatabaseCrowded):
            for one in delivered:
                await _tell(one.message.nak(delay=AGAIN_S))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is a failed try
            if len(delivered) > 1:
                await self._work_singly(delivered)
            else:
                await self._failed(delivered[0], error)
        else:
            await self._settle(plan)

    async def _work_singly(self, delivered: Sequence[Delivered]) -> None:
        """Handle one after the other; the bus is told now and then that the rest is in hand."""
        told = time.monotonic()
        for place, one in enumerate(delivered):
            if time.monotonic() - told > ACK_WITHIN_S / 3:
                told = time.monotonic()
                for later in delivered[place:]:
                    await _tell(later.message.in_progress())
            await self._work([one])

    async def _apply(self, delivered: Sequence[Delivered]) -> Plan:
        name = self.interest.consumer
        async with self.database.transaction() as connection:
            plan = await self._plan(connection, delivered)
            for one in plan.apply:
                with handling(one.event.subject, name, one.event.traceparent):
                    await self.handle(connection, one.event)
            if plan.apply:
                ids = [one.event.event_id for one in plan.apply]
                await inbox.record(connection, name, ids, plan.passed)
        return plan

    async def _plan(self, connection: Connection, delivered: Sequence[Delivered]) -> Plan:
        name = self.interest.consumer
        resources = list({one.event.resource for one in delivered})
        passed = await inbox.positions(connection, name, resources)
        ids = [one.event.event_id for one in delivered]
        known = await inbox.handled(connection, name, ids)
        plan = Plan(passed=passed)
        for one in delivered:
            event = one.event
            if event.event_id in known or self._is_outdated(event, passed):
                plan.known.append(one)
            elif await self._is_next(connection, one, passed.get(event.resource, 0)):
                plan.apply.append(one)
                known.add(event.event_id)
                passed[event.resource] = max(passed.get(event.resource, 0), event.sequence)
            else:
                plan.waiting.append(one)
        return plan

    def _is_outdated(self, event: Event, passed: Mapping[str, int]) -> bool:
        return self.interest.newest_only and event.sequence < passed.get(event.resource, 0)

    async def _is_next(self, connection: Connection, one: Delivered, last: int) -> bool:
        """Tell whether the event's predecessor has been passed; an old one may always come."""
        return one.event.sequence <= last + 1 or await self._may_pass(connection, one)

    async def _may_pass(self, connection: Connection, one: Delivered) -> bool:
        """Tell whether an event's predecessor will not come any more.

        It will not when everything before the event in the stream is done with, or, in the worst
        case, after so long that a message in dead hands has come again several times.
        """
        event, now = one.event, time.monotonic()
        if len(self._waiting_since) > MOST_WAITING:
            self._waiting_since.clear()
        waited_s = now - self._waiting_since.setdefault(event.event_id, now)
        if waited_s < self.gap_s:
            return False
        if await inbox.is_tried(connection, self.interest.consumer, event.resource, TRIES):
            return False
        if waited_s < self.gap_s + 4 * ACK_WITHIN_S and not await self._is_first(one.message):
            return False
        logger().warning("gap passed", consumer=self.interest.consumer, resource=event.resource)
        EVENTS_HANDLED.labels(self.interest.consumer, "gap").inc()
        return True

    async def _is_first(self, message: Msg) -> bool:
        """Tell whether everything before the message is acknowledged."""
        about = message.metadata
        info = await self.bus.jetstream.consumer_info(about.stream, about.consumer)
        floor = info.ack_floor.stream_seq if info.ack_floor else 0
        return floor >= about.sequence.stream - 1

    async def _settle(self, plan: Plan) -> None:
        """Tell the bus, after the commit; what is lost of it comes again and is known then."""
        name, now = self.interest.consumer, datetime.now(UTC)
        for one in (*plan.apply, *plan.known):
            self._waiting_since.pop(one.event.event_id, None)
            await _tell(one.message.ack())
        for one in plan.waiting:
            tries = one.message.metadata.num_delivered or 1
            await _tell(one.message.nak(delay=min(self.first_delay_s * tries, LONGEST_WAIT_S)))
        for one in plan.apply:
            EVENT_SECONDS.labels(name).observe(max((now - one.event.time).total_seconds(), 0))
        EVENTS_HANDLED.labels(name, "handled").inc(len(plan.apply))
        EVENTS_HANDLED.labels(name, "duplicate").inc(len(plan.known))

    async def _failed(self, one: Delivered, error: Exception) -> None:
        name, event = self.interest.consumer, one.event
        text = plain(f"{type(error).__name__}: {error}")
        counts = not _is_not_its_fault(error)
        try:
            async with self.database.transaction() as connection:
                tries = await inbox.fail(connection, name, event, text, counts=counts)
        except Exception as another:  # noqa: BLE001 - the event comes again, nothing is lost
            logger().warning("failure not noted", consumer=name, error=repr(another))
            await _tell(one.message.nak(delay=AGAIN_S))
            return
        logger().warning("event failed", consumer=name, event_id=event.event_id, error=text)
        if not counts:
            EVENTS_HANDLED.labels(name, "again").inc()
            await _tell(one.message.nak(delay=AGAIN_S))
        elif tries < TRIES:
            await _tell(one.message.nak(delay=self.first_delay_s * 2 ** (tries - 1)))
        else:
            await self._bury(one.message, text, tries, event)

    async def _bury(self, message: Msg, error: str, tries: int, event: Event | None) -> None:
        """Bury, go past, tell the bus: killed in between, the event comes again and is buried."""
        name = self.interest.consumer
        try:
            await bury(self.bus, name, message, error, tries)
            if event:
                async with self.database.transaction() as connection:
                    await inbox.pass_over(connection, name, event)
        except Exception as another:  # noqa: BLE001 - it is tried again, nothing is lost
            logger().warning("not buried", consumer=name, error=repr(another))
            await _tell(message.nak(delay=AGAIN_S))
            return
        await _tell(message.ack())
        DEAD_LETTERS.labels(name).inc()
        EVENTS_HANDLED.labels(name, "dead").inc()
        logger().error("dead letter", consumer=name, subject=message.subject, error=error)


def _is_not_its_fault(error: Exception) -> bool:
    """Tell whether the same event may well succeed next time."""
    if isinstance(error, ServiceError):
        return error.kind in NOT_ITS_FAULT
    if isinstance(error, TimeoutError | nats.errors.Error):
        return True
    return isinstance(error, asyncpg.UniqueViolationError) and error.table_name == "inbox"


async def _tell(answer: Awaitable[object]) -> None:
    """Answer the bus; an answer that does not arrive makes the event come again.

    One that was answered before needs no second answer.
    """
    with suppress(nats.errors.Error, OSError):
        await answer
