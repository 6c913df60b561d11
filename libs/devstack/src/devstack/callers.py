"""Clients of a running stack that bring a token of its local issuer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx

from devstack.stack import Stack

PASER_OPERATOR = "64.01/operator"


@asynccontextmanager
async def http_caller(
    stack: Stack, *grants: str, timeout_s: float = 60
) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the public port with these grants; without any, Paser's operator."""
    token = await stack.token(*(grants or (PASER_OPERATOR,)))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=timeout_s, headers=headers) as client:
        yield client


@asynccontextmanager
async def grpc_caller(
    stack: Stack, *grants: str, address: str = ""
) -> AsyncIterator[grpc.aio.Channel]:
    """Give a gRPC channel to the public port, or to `address`, that brings such a token."""
    token = await stack.token(*(grants or (PASER_OPERATOR,)))
    bearers = [_UnaryBearer(token), _StreamBearer(token), _BothStreamBearer(token)]
    target = address or stack.place.public_address
    async with grpc.aio.insecure_channel(target, interceptors=bearers) as channel:
        yield channel


class _Bearer(grpc.aio.ClientInterceptor):
    """Adds the header to each call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    async def _send(
        self,
        continuation: Callable[[Any, Any], Any],
        details: Any,
        request: Any,
    ) -> Any:
        metadata = grpc.aio.Metadata(*(details.metadata or ()), self._header)
        return await continuation(details._replace(metadata=metadata), request)


class _UnaryBearer(_Bearer, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await self._send(continuation, client_call_details, request)


class _StreamBearer(_Bearer, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(
        self, continuation: Any, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await self._send(continuation, client_call_details, request)


class _BothStreamBearer(_Bearer, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(
        self,
        continuation: Any,
        client_call_details: grpc.aio.ClientCallDetails,
        request_iterator: Any,
    ) -> Any:
        return await self._send(continuation, client_call_details, request_iterator)
