"""Events, handlers and servers that do what they should not: each has ended something once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from common.errors import Kind, ServiceError
from common.events.consumer import Consumer, Interest
from common.events.dead_letters import dead_letters
from common.events.event import Event
from common.events.outbox import EventTooLarge
from common.events.relay import Relay
from common.postgres.database import Connection
from devstack.waiting import until

INTEREST = Interest("counting", "INVENTORY", ("smartcity.*.inventory.>",))
SUBJECT = "smartcity.6401.inventory.point.updated.v1"
FIRST, SECOND = "regions/64.01/points/P-0", "regions/64.01/points/P-1"
EFFECT = "INSERT INTO effects (resource, sequence, event_id) VALUES ($1, $2, $3)"
Before = Callable[[Event], Awaitable[None]]


class Away(ServiceError):
    kind, reason = Kind.UNAVAILABLE, "AWAY"


async def nothing(_: Event) -> None:
    """Let every event have its effect."""


@asynccontextmanager
async def consuming(town: Any, before: Before = nothing, **more: Any) -> AsyncIterator[Any]:
    """Run a consumer here whose handler calls `before` first."""

    async def handle(connection: Connection, event: Event) -> None:
        await before(event)
        await connection.execute(EFFECT, event.resource, event.sequence, event.event_id)

    consumer = Consumer(town.database, town.bus, INTEREST, handle, **more)
    task = asyncio.create_task(consumer.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def relaying(town: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(Relay(town.database, town.bus, "INVENTORY").run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce-id", "not-a-uuid"),
        ("ce-sequence", str(2**70)),
        ("ce-sequence", "0"),
        ("ce-time", "2026-11-24T06:00:00"),
        ("ce-subject", "odd"),
        ("ce-type", "smartcity.odd"),
    ],
)
async def test_an_event_with_a_wrong_header_is_buried_and_ends_nothing(
    town: Any, header: str, value: str
) -> None:
    good = town.events_about(1, 1)[0].numbered(1)
    async with consuming(town) as task:
        await town.bus.jetstream.publish(SUBJECT, b"", headers=good.headers() | {header: value})
        await town.bus.jetstream.publish(
            SUBJECT, b"", headers=good.headers() | {"Nats-Msg-Id": "another"}
        )
        assert await town.comes_to({FIRST: [1]})
        assert not task.done()
    assert len([letter async for letter in dead_letters(town.bus)]) == 1


@pytest.mark.parametrize("text", ["bad \x00 text", "bad \udc80 text", "x" * 100_000])
async def test_whatever_an_error_says_its_event_is_buried(town: Any, text: str) -> None:
    async def fail(event: Event) -> None:
        if event.resource == FIRST:
            raise ValueError(text)

    async with relaying(town), consuming(town, fail, first_delay_s=0.01) as task:
        await town.write(town.events_about(2, 1))

        async def buried() -> bool:
            return len([letter async for letter in dead_letters(town.bus)]) == 1

        assert await until(buried, within_s=20)
        assert await town.comes_to({SECOND: [1]})
        assert not task.done()


async def test_what_the_bus_cannot_take_is_refused_with_its_change(town: Any) -> None:
    (event,) = town.events_about(1, 1)
    large = Event(event.event_id, event.type, event.resource, event.time, bytes(1_000_000))
    with pytest.raises(EventTooLarge):
        await town.write([large])
    async with town.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_a_client_that_gave_up_is_replaced(town: Any) -> None:
    await town.bus._client.close()  # noqa: SLF001 - as nats-py does at an error of the server's
    async with relaying(town), consuming(town):
        await town.write(town.events_about(2, 2))
        assert await town.comes_to(town.effects_of(2, 2))


async def test_order_is_kept_while_a_predecessor_is_refused_for_a_while(town: Any) -> None:
    refused = 0

    async def away(event: Event) -> None:
        nonlocal refused
        if event.sequence == 1 and refused < 4:
            refused += 1
            raise Away("not now")

    async with relaying(town), consuming(town, away, gap_s=0.5, first_delay_s=0.05):
        await town.write(town.events_about(1, 4))
        assert await town.comes_to({FIRST: [1, 2, 3, 4]})
    assert refused == 4


async def test_a_poison_event_with_many_successors_stops_no_other_resource(town: Any) -> None:
    async def fail(event: Event) -> None:
        if event.resource == FIRST and event.sequence == 1:
            raise ValueError("poison")

    events = town.events_about(1, 2500)
    other = [event for event in town.events_about(2, 1) if event.resource == SECOND]
    async with relaying(town), consuming(town, fail, first_delay_s=5):
        await town.write([*events, *other])

        async def handled() -> bool:
            return SECOND in await town.effects()

        assert await until(handled, within_s=20)


async def test_a_stream_made_anew_beside_a_living_connection_gets_everything_again(
    town: Any,
) -> None:
    await town.write(town.events_about(5, 2))
    relay = Relay(town.database, town.bus, "INVENTORY")
    await relay.look_at_stream()
    while await relay.publish_once():
        pass
    await town.bus.jetstream.delete_stream("INVENTORY")
    await relay.look_at_stream()
    while await relay.publish_once():
        pass
    assert await town.stored() == 10


async def test_a_consumer_that_is_stopped_hands_over_at_once(town: Any) -> None:
    held = asyncio.Event()

    async def hang(_: Event) -> None:
        held.set()
        await asyncio.get_running_loop().create_future()

    async with relaying(town):
        await town.write(town.events_about(3, 3))
        async with consuming(town, hang):
            await asyncio.wait_for(held.wait(), 20)
        async with consuming(town):
            assert await town.comes_to(town.effects_of(3, 3), within_s=15)


async def test_what_another_relay_stores_meanwhile_is_no_loss(town: Any) -> None:
    await town.write(town.events_about(3, 1))
    relay = Relay(town.database, town.bus, "INVENTORY")
    await relay.look_at_stream()
    while await relay.publish_once():
        pass

    async with town.database.transaction() as connection:
        await connection.execute("SELECT FROM outbox_partitions FOR UPDATE")
        looking = asyncio.create_task(relay.look_at_stream())
        assert await until(waiting_for_a_lock(town), within_s=10)
        await sent_by_another(town)
        await connection.execute("UPDATE outbox_streams SET last_sequence = 4")
    await looking
    async with town.database.read() as connection:
        pending = "SELECT count(*) FROM outbox WHERE publish_time IS NULL"
        assert await connection.fetchval(pending) == 0


def waiting_for_a_lock(town: Any) -> Callable[[], Awaitable[bool]]:
    async def condition() -> bool:
        async with town.database.read() as connection:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            return bool(await connection.fetchval(waiting))

    return condition


async def sent_by_another(town: Any) -> None:
    event = town.events_about(1, 1)[0].numbered(2)
    await town.bus.jetstream.publish(event.subject, event.body, headers=event.headers())


async def test_while_the_database_is_away_nothing_is_buried(
    town: Any, postgres_server: Any
) -> None:
    async with consuming(town) as task:
        for number in range(1, 4):
            event = town.events_about(1, 1)[0].numbered(number)
            await town.bus.jetstream.publish(event.subject, event.body, headers=event.headers())
        os.kill(postgres_server.child.pid, signal.SIGKILL)
        assert await until(town.database.is_there, within_s=30)
        assert await town.comes_to({FIRST: [1, 2, 3]})
        assert not task.done()
    assert [letter async for letter in dead_letters(town.bus)] == []


def test_an_interest_takes_whole_resources() -> None:
    with pytest.raises(ValueError, match="at the noun or before"):
        Interest("a", "INVENTORY", ("smartcity.*.inventory.point.activated.v1",))
    with pytest.raises(ValueError, match="letters, digits and dashes"):
        Interest("a.b", "INVENTORY", ("smartcity.*.inventory.>",))
