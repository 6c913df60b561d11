"""What a process tells who asks for its health (grpc.health.v1), and the plain port for probes.

`""` and each service's name are readiness: they follow the process's probe, and are NOT_SERVING
while it drains. `liveness` is SERVING as long as the process answers at all: a database or a bus
that is away must not restart those who wait for it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from common.rpc.plain import served_plainly

LIVENESS = "liveness"
OVERALL = ""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """The health of one process, told by every server that it is added to."""

    def __init__(self, services: Sequence[str] = ()) -> None:
        self._names = (OVERALL, *services)
        self._servicer = health.aio.HealthServicer()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Let the server answer for it."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def live(self) -> None:
        """Be alive, and not ready before the first word of the probe."""
        await self._servicer.set(LIVENESS, SERVING)
        await self.ready(able=False)

    async def ready(self, *, able: bool) -> None:
        """Tell whether the process can work now."""
        for name in self._names:
            await self._servicer.set(name, SERVING if able else NOT_SERVING)


@asynccontextmanager
async def answering(health_of_process: Health, address: str) -> AsyncIterator[None]:
    """Answer probes at HOST:PORT, without TLS and with nothing but health; "" answers nowhere."""
    if not address:
        yield
        return
    async with served_plainly(address, health_of_process.add_to):
        yield
