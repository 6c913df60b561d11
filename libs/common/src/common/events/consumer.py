"""A consumer: every event has one effect, in order per resource, however often anything dies.

The effect, the event's id and the resource's position are one transaction. An event whose
predecessor has not come yet waits; one that fails is tried again with growing delay and, after
`TRIES`, goes to the dead letters, so that its successors go on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import nats.errors
from nats.aio.msg import Msg

from common.errors import Kind, ServiceError
from common.events import inbox
from common.events.bus import Bus
from common.events.dead_letters import bury
from common.events.event import Event, EventUnreadable, event_from
from common.events.subscription import Subscription
from common.postgres.database import Connection, Database
from common.telemetry.logs import logger
from common.telemetry.metrics import DEAD_LETTERS, EVENT_SECONDS, EVENTS_HANDLED

TRIES = 8
FIRST_DELAY_S = 0.5
AGAIN_S = 1.0
"""When what failed is not the event's fault: the database, a process that was faster."""
BATCH = 200
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
    gap_s: float = 30.0
    """How long an event waits for a predecessor that nobody is trying, before it goes on."""
    first_delay_s: float = FIRST_DELAY_S
    _waiting_since: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Handle new events, and those that an operator sends again."""
        name = self.interest.consumer
        again = Interest(f"{name}-replays", "REPLAYS", (f"replay.{name}.>",))
        await asyncio.gather(self._follow(self.interest), self._follow(again))

    async def _follow(self, interest: Interest) -> None:
        subscription = Subscription(
            self.bus, interest.stream, interest.consumer, interest.subjects, BATCH
        )
        async with aclosing(subscription.batches()) as batches:
            async for messages in batches:
                await self._take(messages)

    async def _take(self, messages: Sequence[Msg]) -> None:
        delivered = []
        for message in messages:
            try:
                delivered.append(Delivered(message, event_from(message.headers, message.data)))
            except EventUnreadable as error:
                await self._bury(message, str(error), 1)
        if delivered:
            await self._work(sorted(delivered, key=lambda one: one.event.sequence))

    async def _work(self, delivered: Sequence[Delivered]) -> None:
        """Handle all in one transaction or, when one fails, each in its own."""
        try:
            await self._settle(await self._apply(delivered))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is a failed try
            if len(delivered) > 1:
                for one in delivered:
                    await self._work([one])
            else:
                await self._failed(delivered[0], error)

    async def _apply(self, delivered: Sequence[Delivered]) -> Plan:
        name = self.interest.consumer
        async with self.database.transaction() as connection:
            plan = await self._plan(connection, delivered)
            for one in plan.apply:
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
            if event.event_id in known:
                plan.known.append(one)
            elif await self._is_next(connection, event, passed.get(event.resource, 0)):
                plan.apply.append(one)
                known.add(event.event_id)
                passed[event.resource] = max(passed.get(event.resource, 0), event.sequence)
            else:
                plan.waiting.append(one)
        return plan

    async def _is_next(self, connection: Connection, event: Event, last: int) -> bool:
        """Tell whether the event's predecessor has been passed; an old one may always come."""
        return event.sequence <= last + 1 or await self._may_pass(connection, event)

    async def _may_pass(self, connection: Connection, event: Event) -> bool:
        """Tell whether an event with a gap before it has waited for long enough."""
        since = self._waiting_since.setdefault(event.event_id, time.monotonic())
        if time.monotonic() - since < self.gap_s:
            return False
        if await inbox.is_tried(connection, self.interest.consumer, event.resource, TRIES):
            return False
        logger().warning("gap passed", consumer=self.interest.consumer, resource=event.resource)
        EVENTS_HANDLED.labels(self.interest.consumer, "gap").inc()
        return True

    async def _settle(self, plan: Plan) -> None:
        """Tell the bus, after the commit; what is lost of it comes again and is known then."""
        name, now = self.interest.consumer, datetime.now(UTC)
        for one in (*plan.apply, *plan.known):
            self._waiting_since.pop(one.event.event_id, None)
            await _tell(one.message.ack())
        for one in plan.waiting:
            await _tell(one.message.nak(delay=self.first_delay_s))
        for one in plan.apply:
            EVENT_SECONDS.labels(name).observe(max((now - one.event.time).total_seconds(), 0))
        EVENTS_HANDLED.labels(name, "handled").inc(len(plan.apply))
        EVENTS_HANDLED.labels(name, "duplicate").inc(len(plan.known))

    async def _failed(self, one: Delivered, error: Exception) -> None:
        name, event = self.interest.consumer, one.event
        if _is_not_its_fault(error):
            await _tell(one.message.nak(delay=AGAIN_S))
            return
        try:
            async with self.database.transaction() as connection:
                text = f"{type(error).__name__}: {error}"
                tries = await inbox.fail(connection, name, event.event_id, event.resource, text)
        except ServiceError:
            await _tell(one.message.nak(delay=AGAIN_S))
            return
        logger().warning("event failed", consumer=name, event_id=event.event_id, tries=tries)
        if tries < TRIES:
            await _tell(one.message.nak(delay=self.first_delay_s * 2 ** (tries - 1)))
        else:
            await self._give_up(one, text, tries)

    async def _give_up(self, one: Delivered, error: str, tries: int) -> None:
        """Bury the event and let its successors go on; it is not in the inbox, so it may return."""
        event = one.event
        await self._bury(one.message, error, tries, {event.resource: event.sequence})

    async def _bury(
        self, message: Msg, error: str, tries: int, passed: dict[str, int] | None = None
    ) -> None:
        """Bury, go past, tell the bus: killed in between, the event comes again and is buried."""
        name = self.interest.consumer
        try:
            await bury(self.bus, name, message, error, tries)
            if passed:
                async with self.database.transaction() as connection:
                    await inbox.advance(connection, name, passed)
        except (ServiceError, nats.errors.Error, OSError, TimeoutError):
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
    return isinstance(error, asyncpg.UniqueViolationError) and error.table_name == "inbox"


async def _tell(answer: Awaitable[object]) -> None:
    """Answer the bus; an answer that does not arrive makes the event come again."""
    with suppress(nats.errors.Error, OSError):
        await answer
