"""gRPC without TLS, for what is asked from this machine or from the same pod only."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc


@asynccontextmanager
async def served_plainly(
    address: str, add: Callable[[grpc.aio.Server], None]
) -> AsyncIterator[None]:
    """Serve at HOST:PORT what `add` gives the server, until the block ends."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add(server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
