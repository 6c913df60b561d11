"""TCP: connections to a port, closed as soon as they stand."""

import asyncio
import socket
import time

from probes.addresses import Endpoint, Unresolved, resolve, sentence
from probes.outcome import Outcome
from probes.target import Target


async def probe(target: Target) -> Outcome:
    """Connect as often as the target says, one attempt after its spacing, whatever others do."""
    try:
        endpoint = await resolve(target.address, target.port_used, target.timeout_s)
    except Unresolved as error:
        return Outcome(error=sentence(error))
    tried = await asyncio.gather(
        *(_attempt(endpoint, target, number) for number in range(target.packets))
    )
    attempts = tuple(took_ms for took_ms, _ in tried if took_ms != NOT_TRIED)
    return Outcome(attempts, error=next((error for _, error in tried if error), ""))


NOT_TRIED = -1.0


async def _attempt(endpoint: Endpoint, target: Target, number: int) -> tuple[float | None, str]:
    """Return how long one took, or what went wrong."""
    await asyncio.sleep(number * target.spacing_s)
    try:
        line = socket.socket(endpoint.family, socket.SOCK_STREAM)
    except OSError as error:
        return NOT_TRIED, sentence(error)
    with line:
        line.setblocking(False)  # noqa: FBT003 - as the standard library names it
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(target.timeout_s):
                await asyncio.get_running_loop().sock_connect(line, endpoint.address)
        except OSError as error:
            return None, sentence(error)
        return (time.perf_counter() - begin) * 1000, ""
