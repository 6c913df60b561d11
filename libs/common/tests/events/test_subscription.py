"""A subscription ends when it is cancelled, whatever becomes of the bus in the same moment."""

import asyncio
from contextlib import aclosing

import pytest
from common.events.bus import Bus, open_bus
from common.events.subscription import Subscription
from common.running import cancelled
from devstack.nats import EmbeddedNats
from devstack.waiting import until


async def follow(bus: Bus, durable: str) -> None:
    subscription = Subscription(bus, "DEAD", durable, ("dead.nobody.>",), 10)
    async with aclosing(subscription.batches()) as batches:
        async for _ in batches:
            pass


async def waiting_one(bus: Bus, durable: str) -> asyncio.Task[None]:
    """Return a task that waits for messages."""
    await bus.first_connection()
    await bus.apply_streams()
    task = asyncio.create_task(follow(bus, durable))

    async def is_there() -> bool:
        consumers = await bus.jetstream.consumers_info("DEAD")
        return any(info.name == durable and info.num_waiting for info in consumers)

    assert await until(is_there, within_s=20)
    return task


async def test_a_cancellation_as_the_connection_closes_ends_it(nats_server: EmbeddedNats) -> None:
    async with open_bus(nats_server.url) as bus:
        task = await waiting_one(bus, "closing")
        task.cancel()
        await bus.close()
        done, _ = await asyncio.wait([task], timeout=10)
        assert done
        assert task.cancelled()


async def test_it_ends_when_the_server_is_gone(nats_server: EmbeddedNats) -> None:
    async with open_bus(nats_server.url) as bus:
        tasks = [await waiting_one(bus, f"gone-{number}") for number in range(3)]
        await nats_server.stop()
        try:
            async with asyncio.timeout(10):
                await cancelled(tasks)
        finally:
            await nats_server.start()


async def deaf(times: int) -> None:
    """Take a cancellation for something else, so many times."""
    for _ in range(times):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.Event().wait()


async def test_who_is_deaf_to_the_first_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("common.running.AGAIN_S", 0.01)
    task = asyncio.create_task(deaf(3))
    await asyncio.sleep(0)  # until it waits
    await cancelled([task])
    assert task.done()
