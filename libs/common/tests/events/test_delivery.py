"""Every committed event has exactly one effect, in order per resource, whatever is killed."""

import asyncio
import os
import shutil
import signal
from typing import Any
from urllib.parse import urlsplit

import pytest
from common.events.dead_letters import dead_letters, discard, replay
from common.events.event import Event, event_of
from common.events.outbox import append
from common.events.relay import Relay
from common.telemetry.metrics import OUTBOX_PENDING
from devstack.waiting import until
from smartcity.inventory.v1.events_pb2 import PointUpdated

NAME = "regions/64.01/points/P-0"


async def test_an_event_is_published_and_handled(town: Any) -> None:
    await town.work("relay")
    await town.work("consume")
    await town.write(town.events_about(3, 4))
    assert await town.comes_to(town.effects_of(3, 4))
    assert await town.stored() == 12


async def test_what_is_rolled_back_is_never_told(town: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with town.database.transaction() as connection:
            await append(connection, town.events_about(1, 1))
            raise ZeroDivisionError
    await town.write(town.events_about(1, 1))
    await town.work("relay")
    await town.work("consume")
    assert await town.comes_to(town.effects_of(1, 1))


async def test_a_relay_killed_in_the_middle_of_its_batches(town: Any) -> None:
    await town.write(town.events_about(100, 80))
    await town.work("consume")
    relay = await town.work("relay")

    async def some() -> bool:
        return 0 < int(await town.stored()) < 8000

    assert await until(some, within_s=20)
    relay.kill()
    await relay.wait()
    await town.work("relay")
    assert await town.comes_to(town.effects_of(100, 80))
    assert await town.stored() == 8000


async def test_a_consumer_killed_after_its_effect_and_before_its_ack(town: Any) -> None:
    await town.work("relay")
    dying = await town.work("consume", "die")
    await town.write(town.events_about(5, 5))
    assert await asyncio.wait_for(dying.wait(), 30) == -signal.SIGKILL
    await town.work("consume")
    assert await town.comes_to(town.effects_of(5, 5))


async def test_two_relays_and_two_consumers_share_the_work(town: Any) -> None:
    for role in ("relay", "relay", "consume", "consume"):
        await town.work(role)
    await town.write(town.events_about(50, 60))
    assert await town.comes_to(town.effects_of(50, 60))
    assert await town.stored() == 3000


async def test_a_bus_killed_while_ten_thousand_events_flow(town: Any) -> None:
    await town.work("relay")
    await town.work("consume")
    writing = asyncio.create_task(town.write(town.events_about(100, 100)))

    async def flowing() -> bool:
        return int(await town.stored()) > 500

    assert await until(flowing, within_s=20)
    os.kill(town.nats.child.pid, signal.SIGKILL)
    await writing
    assert await town.comes_to(town.effects_of(100, 100), within_s=90)


async def test_a_bus_that_lost_its_disk_gets_everything_again(town: Any) -> None:
    await town.work("relay")
    consumer = await town.work("consume")
    await town.write(town.events_about(10, 3))
    assert await town.comes_to(town.effects_of(10, 3))
    consumer.kill()
    await consumer.wait()
    await town.write(town.events_about(10, 2))

    async def published() -> bool:
        return int(await town.stored()) == 50

    assert await until(published, within_s=20)
    await town.nats.stop()
    shutil.rmtree(town.nats_folder)
    await town.nats.start()
    await town.work("consume")
    assert await town.comes_to(town.effects_of(10, 5), within_s=60)


async def test_a_database_killed_while_events_flow(town: Any, postgres_server: Any) -> None:
    await town.work("relay")
    await town.work("consume")
    await town.write(town.events_about(50, 20))
    os.kill(postgres_server.child.pid, signal.SIGKILL)

    async def back() -> bool:
        return bool(await town.database.is_there())

    assert await until(back, within_s=30)
    assert await town.comes_to(town.effects_of(50, 20), within_s=60)


async def test_events_that_come_twice_and_out_of_order_have_one_effect_in_order(town: Any) -> None:
    await town.work("consume")
    numbered = [event.numbered(n) for n, event in enumerate(town.events_about(1, 4), start=1)]
    for event in (numbered[2], numbered[0], numbered[3], numbered[0], numbered[1], numbered[2]):
        await sent(town, event)
    assert await town.comes_to(town.effects_of(1, 4))


async def test_what_is_published_again_after_the_dedupe_window_has_one_effect(town: Any) -> None:
    await town.work("consume")
    (event,) = (event.numbered(1) for event in town.events_about(1, 1))
    for copy in range(3):  # other message ids: the bus takes each for a new one
        await sent(town, event, {"Nats-Msg-Id": f"copy {copy}"})
    assert await town.stored() == 3
    await sent(town, town.events_about(1, 1)[0].numbered(2))
    assert await town.comes_to(town.effects_of(1, 2))


async def test_a_gap_that_nobody_closes_is_passed(town: Any) -> None:
    await town.work("consume")
    await sent(town, town.events_about(1, 1)[0].numbered(7))
    assert await town.comes_to({NAME: [7]}, within_s=20)


async def test_a_clock_that_was_set_back_changes_no_order(town: Any) -> None:
    events = town.events_about(1, 3)
    backwards = [event_of(PointUpdated(), NAME, time=later.time) for later in reversed(events)]
    await town.write(backwards)
    await town.work("relay")
    await town.work("consume")
    assert await town.comes_to(town.effects_of(1, 3))


async def test_a_newer_schema_is_handled(town: Any) -> None:
    unknown_field = b"\xfa\x3e\x03new"  # field 1007, as a later release may add it
    known = town.events_about(1, 1)[0]
    newer = Event(
        known.event_id, known.type, known.resource, known.time, known.body + unknown_field
    )
    await town.write([newer])
    await town.work("relay")
    await town.work("consume")
    assert await town.comes_to(town.effects_of(1, 1))
    assert PointUpdated.FromString(newer.body) is not None


async def test_a_poison_event_is_buried_and_the_others_go_on(town: Any) -> None:
    events = town.events_about(2, 3)
    poison = events[2]  # the second of P-0
    events[2] = Event(poison.event_id, poison.type, poison.resource, poison.time, b"poison")
    await town.write(events)
    await town.work("relay")
    await town.work("consume")
    wanted = {NAME: [1, 3], "regions/64.01/points/P-1": [1, 2, 3]}
    assert await town.comes_to(wanted)
    (letter,) = [letter async for letter in dead_letters(town.bus)]
    assert (letter.consumer, letter.tries) == ("counting", 8)
    assert letter.error == "ValueError: cannot be swallowed"
    assert letter.subject == "smartcity.6401.inventory.point.updated.v1"
    assert letter.headers["ce-id"] == poison.event_id
    await replay(town.bus, letter)

    async def again() -> bool:
        numbers = [found.number async for found in dead_letters(town.bus)]
        return bool(numbers) and numbers != [letter.number]

    assert await until(again, within_s=20)
    (returned,) = [found async for found in dead_letters(town.bus)]
    await discard(town.bus, returned.number)
    assert [found async for found in dead_letters(town.bus)] == []
    assert await town.effects() == wanted


async def test_an_older_event_sent_again_has_no_effect_where_the_newest_counts(town: Any) -> None:
    events = town.events_about(1, 3)
    poison = events[1]
    events[1] = Event(poison.event_id, poison.type, poison.resource, poison.time, b"poison")
    await town.write(events)
    await town.work("relay")
    await town.work("consume", "newest")
    assert await town.comes_to({NAME: [1, 3]})
    (letter,) = [letter async for letter in dead_letters(town.bus)]
    await replay(town.bus, letter)

    async def taken() -> bool:
        info = await town.bus.jetstream.consumer_info("REPLAYS", "counting-replays")
        waits = info.num_pending or info.num_ack_pending
        return not waits and bool(info.delivered.consumer_seq)

    assert await until(taken, within_s=20)
    assert [found async for found in dead_letters(town.bus)] == []
    assert await town.effects() == {NAME: [1, 3]}


async def test_what_is_no_event_is_buried_at_once(town: Any) -> None:
    subject = "smartcity.6401.inventory.point.updated.v1"
    await town.bus.jetstream.publish(subject, b"?", headers={"ce-id": "x"})
    await town.work("consume")
    await sent(town, town.events_about(1, 1)[0].numbered(1))
    assert await town.comes_to(town.effects_of(1, 1))
    (letter,) = [letter async for letter in dead_letters(town.bus)]
    assert "no CloudEvent of ours" in letter.error


async def test_a_relay_without_notifications_looks_by_itself(town: Any) -> None:
    async with town.database.transaction() as connection:
        await append(connection, town.events_about(1, 1))
    relay = Relay(town.database, town.bus, "INVENTORY")
    await relay.look_at_stream()
    assert await relay.publish_once() == 1
    assert await relay.publish_once() == 0


async def sent(town: Any, event: Event, more: dict[str, str] | None = None) -> None:
    headers = event.headers() | (more or {})
    await town.bus.jetstream.publish(event.subject, event.body, headers=headers)


async def test_a_database_that_is_read_only_for_a_while_loses_nothing(
    town: Any, postgres_server: Any
) -> None:
    await town.write(town.events_about(5, 4))
    name = urlsplit(town.database_url).path.removeprefix("/")
    await read_only(postgres_server, name, "on")
    await town.work("relay")
    await town.work("consume")

    async def tried() -> bool:
        return int(await town.stored()) > 0

    assert not await until(tried, within_s=2)  # what cannot be marked is not published
    await read_only(postgres_server, name, "off")
    assert await town.comes_to(town.effects_of(5, 4))
    assert await town.stored() == 20


async def read_only(postgres_server: Any, name: str, state: str) -> None:
    async with postgres_server.connect() as connection:
        await connection.execute(
            f"ALTER DATABASE {name} SET default_transaction_read_only = {state}"
        )
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )


async def test_the_outbox_is_measured_while_the_bus_is_away(town: Any) -> None:
    await town.nats.stop()
    await town.write(town.events_about(3, 2))
    relay = asyncio.create_task(Relay(town.database, town.bus, "MEASURED").run())

    async def told() -> bool:
        return bool(OUTBOX_PENDING.labels("MEASURED")._value.get() == 6)  # noqa: SLF001

    assert await until(told, within_s=10)
    relay.cancel()
    await asyncio.wait([relay])
    await town.nats.start()
