"""Metrics that are looked at in the background."""

import asyncio
from contextlib import suppress

from common.telemetry.refresh import keep_fresh
from devstack.waiting import until
from prometheus_client import REGISTRY


async def test_a_look_that_fails_is_repeated_and_the_time_of_the_last_good_one_stays() -> None:
    looks: list[float | None] = []

    def shown() -> float | None:
        return REGISTRY.get_sample_value(
            "smartcity_metrics_refreshed_time_seconds", {"metrics": "test"}
        )

    async def look() -> None:
        looks.append(shown())
        if len(looks) > 1:
            raise OSError("away")

    async def looked_often() -> bool:
        return len(looks) >= 4

    task = asyncio.create_task(keep_fresh("test", look, every_s=0))
    try:
        assert await until(looked_often, within_s=10)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert looks[0] is not None
    assert len(set(looks[1:])) == 1
    assert (looks[1] or 0) > looks[0]
