"""Waiting for a condition, always with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable

Condition = Callable[[], Awaitable[bool]]
INTERVAL_S = 0.05


async def always() -> bool:
    """Be the condition that holds at once."""
    return True


async def until(condition: Condition, within_s: float) -> bool:
    """Ask `condition` again and again; tell whether it held before `within_s` seconds passed."""
    deadline = time.monotonic() + within_s
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(INTERVAL_S)
    return True


async def first_of(*events: Awaitable[object], within_s: float | None = None) -> None:
    """Return when the first of `events` came, or after `within_s` seconds; forget the others."""
    tasks = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
