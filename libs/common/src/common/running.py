"""How a process runs until it shall stop: the signal, its metrics, what works meanwhile."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIServer

import prometheus_client

from common.caller import CALLER, SYSTEM
from common.rpc.health import Health, answering
from common.telemetry.logs import logger

AGAIN_S = 5.0
Background = Callable[[], Coroutine[Any, Any, None]]


async def run_worker(
    metrics_address: str, background: Sequence[Background], health_address: str = ""
) -> None:
    """Work as the system until SIGTERM or SIGINT, or until one of the works ends with its error.

    A worker is ready as long as it works: nobody calls it, so what is away need not be told.
    """
    stopping = stop_signal()
    metrics = start_metrics(metrics_address)
    told = Health()
    await told.live()
    CALLER.set(SYSTEM)
    async with answering(told, health_address):
        running = [asyncio.create_task(run()) for run in background]
        await told.ready(able=True)
        logger().info("working", metrics=metrics_address)
        await first_end(stopping, running)
        await told.ready(able=False)
        await cancelled(running)
    metrics.close()
    logger().info("stopped")


def stop_signal() -> asyncio.Event:
    """Return what SIGTERM or SIGINT sets from now on."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def first_end(stopping: asyncio.Event, running: Sequence[asyncio.Task[None]]) -> None:
    """Return when the process shall stop, or what must run with it does not."""
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait((told, *running), return_when=asyncio.FIRST_COMPLETED)
    await cancelled([told])


async def cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for their ends.

    Again and again, for nats-py takes a cancellation at times for an error of its own.

    Raises:
        Exception: The error of the first one that ended with one.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """Answers Prometheus in a thread of its own."""

    _server: WSGIServer
    _thread: threading.Thread

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def start_metrics(address: str) -> MetricsServer:
    """Answer Prometheus at HOST:PORT."""
    host, _, port = address.rpartition(":")
    return MetricsServer(*prometheus_client.start_http_server(int(port), host))
