"""The sizes of databases and streams are shown, and where a stream must end."""

import asyncio
from contextlib import suppress
from typing import Any

from common.events.storage import Storage
from devstack.waiting import until
from nats.js.api import StreamConfig
from prometheus_client import REGISTRY


def of_stream(what: str, stream: str) -> float | None:
    return REGISTRY.get_sample_value(f"smartcity_stream_{what}", {"stream": stream})


async def test_a_stream_shows_what_it_holds_and_its_limit_when_it_has_one(town: Any) -> None:
    jetstream = town.bus.jetstream
    await jetstream.add_stream(StreamConfig(name="SMALL", subjects=["small"], max_bytes=1_000_000))
    await jetstream.publish("small", bytes(5000))
    storage = Storage(town.database, town.bus)
    await storage.measure_streams()
    assert of_stream("messages", "SMALL") == 1
    assert (of_stream("bytes", "SMALL") or 0) >= 5000
    assert of_stream("limit_bytes", "SMALL") == 1_000_000
    assert of_stream("limit_bytes", "INVENTORY") is None
    assert (REGISTRY.get_sample_value("smartcity_bus_bytes") or 0) >= 5000
    await jetstream.delete_stream("SMALL")
    await storage.measure_streams()
    assert of_stream("bytes", "SMALL") is None


async def test_the_size_of_a_database_shows_while_the_bus_is_away(town: Any) -> None:
    async with town.database.read() as connection:
        name = await connection.fetchval("SELECT current_database()")
    await town.nats.stop()
    watching = asyncio.create_task(Storage(town.database, town.bus).watch())

    async def shows() -> bool:
        size = REGISTRY.get_sample_value("smartcity_database_bytes", {"database": name})
        return (size or 0) > 1_000_000

    try:
        assert await until(shows, within_s=10)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
