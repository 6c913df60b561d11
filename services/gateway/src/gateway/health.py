"""Whether the edge lives, and whether everything behind it answers now."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.channels import Channels
from gateway.contract import Contract, service_of, upstream_of

CHECK_S = 1.0
WATCH_EVERY_S = 1.0
State = int
"""A value of grpc.health.v1.HealthCheckResponse.ServingStatus."""
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN_SERVICE = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
Context = grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]


class Upstreams:
    """The services behind the edge, asked by gRPC for their health."""

    def __init__(
        self, addresses: Mapping[str, Sequence[str]], tls_folder: Path | None = None
    ) -> None:
        self._addresses = addresses
        self._channels = Channels(addresses, tls_folder)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channels.close()

    async def state(self, upstream: str, service: str = "") -> State:
        """Return what the replica that is best says within a second; silence is NOT_SERVING."""
        channels = self._channels.of(upstream)
        found = await asyncio.gather(*(_state(channel, service) for channel in channels))
        return SERVING if SERVING in found else next(iter(found), NOT_SERVING)

    async def call(
        self, rpc: MethodDescriptor, request: bytes, headers: Mapping[str, str], within_s: float
    ) -> bytes:
        """Call a method with a packed message and return the packed answer.

        Raises:
            grpc.aio.AioRpcError: The service refuses or does not answer in time.
        """
        service = service_of(rpc)
        channel = random.choice(self._channels.of(upstream_of(service)))  # noqa: S311 - a replica
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            f"/{service.full_name}/{rpc.name}"
        )
        return await method(request, metadata=tuple(headers.items()), timeout=within_s)

    async def states(self) -> dict[str, State]:
        """Return the state of every upstream, all asked at the same time."""
        found = await asyncio.gather(*(self.state(name) for name in self._addresses))
        return dict(zip(self._addresses, found, strict=True))


async def _state(channel: grpc.aio.Channel, service: str) -> State:
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    try:
        answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=CHECK_S)
    except grpc.aio.AioRpcError:
        return NOT_SERVING
    return answer.status


class Health:
    """The edge's own health; `alive` tells whether Envoy runs."""

    def __init__(self, upstreams: Upstreams, envoy_runs: Callable[[], bool]) -> None:
        self._upstreams = upstreams
        self._envoy_runs = envoy_runs
        self._draining = False

    def drain(self) -> None:
        """Be not ready from now on."""
        self._draining = True

    async def alive(self) -> dict[str, object]:
        """Return whether this process and its Envoy run."""
        return {"status": "SERVING" if self._envoy_runs() else "NOT_SERVING"}

    async def able(self) -> dict[str, object]:
        """Return whether this gateway takes calls, whatever is behind it: that is for each call.

        A service that is away must not take every gateway out of turn, and with it all others.
        """
        serves = self._envoy_runs() and not self._draining
        return {"status": "SERVING" if serves else "NOT_SERVING", "draining": self._draining}

    async def ready(self) -> dict[str, object]:
        """Return whether every upstream answers now, and which do not."""
        states = await self._upstreams.states()
        able = not self._draining and self._envoy_runs()
        services = {
            name: health_pb2.HealthCheckResponse.ServingStatus.Name(state)
            for name, state in states.items()
        }
        return {
            "status": "SERVING" if able and _all_serve(states) else "NOT_SERVING",
            "services": services,
            "draining": self._draining,
        }

    async def overall(self) -> State:
        """Return readiness as gRPC tells it."""
        return SERVING if (await self.ready())["status"] == "SERVING" else NOT_SERVING


class HealthServicer(health_pb2_grpc.HealthServicer):
    """`grpc.health.v1.Health` of the public port: "" is the whole, other names one service."""

    def __init__(self, contract: Contract, health: Health, upstreams: Upstreams) -> None:
        self._upstream_of = {s.full_name: upstream_of(s) for s in contract.services}
        self._health = health
        self._upstreams = upstreams

    async def Check(  # noqa: N802 - the proto names it
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Return the state now; NOT_FOUND for a service that is not published."""
        state = await self._state(request.service)
        if state == UNKNOWN_SERVICE:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"{request.service} is not published")
        return health_pb2.HealthCheckResponse(status=state)

    async def Watch(  # noqa: N802 - the proto names it
        self,
        request: health_pb2.HealthCheckRequest,
        context: Context,  # noqa: ARG002 - gRPC passes it
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Return the state now and whenever it changes."""
        told: State | None = None
        while True:
            state = await self._state(request.service)
            if state != told:
                told = state
                yield health_pb2.HealthCheckResponse(status=state)
            await asyncio.sleep(WATCH_EVERY_S)

    async def _state(self, service: str) -> State:
        if not service:
            return await self._health.overall()
        upstream = self._upstream_of.get(service)
        if upstream is None:
            return UNKNOWN_SERVICE
        return await self._upstreams.state(upstream, service)


def _all_serve(states: Mapping[str, State]) -> bool:
    return all(state == SERVING for state in states.values())
