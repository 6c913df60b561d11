"""Metrics that a query gives: looked at now and then in the background, never by a scrape."""

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import Gauge

from common.telemetry.logs import logger

EVERY_S = 15.0

REFRESHED = Gauge(
    "smartcity_metrics_refreshed_time_seconds",
    "When what these metrics show was looked at last, in unix time.",
    ("metrics",),
)


async def keep_fresh(
    metrics: str, look: Callable[[], Awaitable[None]], every_s: float = EVERY_S
) -> None:
    """Look until cancelled. While looking fails the values stay, and the time of the last one."""
    REFRESHED.labels(metrics).set_to_current_time()
    while True:
        try:
            await look()
            REFRESHED.labels(metrics).set_to_current_time()
        except Exception as error:  # noqa: BLE001 - figures for people must stop no service
            logger().warning("metrics not refreshed", metrics=metrics, error=repr(error))
        await asyncio.sleep(every_s)
