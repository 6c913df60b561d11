"""The notifier's loops: what is due becomes messages, messages are sent, old ones are forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
from common.errors import ServiceError
from common.telemetry.logs import logger
from common.telemetry.metrics import show_notifications

from monitoring.operations.compose_notifications import compose_notification
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.send_notifications import send_notification, show_oldest
from monitoring.storage import notifications

SENDERS = 2
"""Each holds a connection while it sends."""
LOOK_EVERY_S = 1.0
FORGET_EVERY_S = 3600.0
KEPT = timedelta(days=90)
SURVIVED = (ServiceError, asyncpg.PostgresError, OSError, TimeoutError)

Turn = Callable[[Dependencies], Awaitable[bool]]


async def run_notifier(needs: Dependencies) -> None:
    """Notify until cancelled."""
    show_notifications()
    await asyncio.gather(
        _repeat(needs, compose_notification, LOOK_EVERY_S),
        _repeat(needs, _forget, FORGET_EVERY_S),
        _repeat(needs, _show, LOOK_EVERY_S),
        *(_repeat(needs, send_notification, LOOK_EVERY_S) for _ in range(SENDERS)),
    )


async def _repeat(needs: Dependencies, turn: Turn, every_s: float) -> None:
    """Take turns one after the other while there is something to do, then look now and then."""
    while True:
        try:
            while await _whole(turn(needs)):
                pass
        except SURVIVED as error:
            logger().warning("not notified", turn=turn.__name__, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a defect here must not stop the API
            logger().error("not notified", turn=turn.__name__, error=type(error).__name__)
        await asyncio.sleep(every_s)


async def _whole(turn: Any) -> bool:
    """Let a turn come to its end when this process shall stop: what was sent is noted then."""
    task = asyncio.ensure_future(turn)
    try:
        return bool(await asyncio.shield(task))
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _show(needs: Dependencies) -> bool:
    await show_oldest(needs)
    return False


async def _forget(needs: Dependencies) -> bool:
    async with needs.database.transaction() as connection:
        await notifications.forget(connection, needs.clock() - KEPT)
    return False
