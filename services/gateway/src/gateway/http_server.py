"""The HTTP server of the pages, in this process's own event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

BACKLOG = 1024


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: this process has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


@asynccontextmanager
async def served(app: Starlette, address: str) -> AsyncIterator[None]:
    """Serve `app`; from the begin of the block on, connections are taken."""
    host, _, port = address.rpartition(":")
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off"
    )
    server = _Server(config)
    with socket.create_server((host, int(port)), backlog=BACKLOG) as listener:
        # Accepted sockets inherit it; asyncio sets it only on sockets that it made itself, and
        # without it every answer with a body waits 40 ms for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = asyncio.create_task(server.serve([listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await task
