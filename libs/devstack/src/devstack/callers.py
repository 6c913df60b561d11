"""Clients of a running stack that bring a token of its local issuer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import httpx

from devstack.bearers import bearer_channel
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
    async with bearer_channel(address or stack.place.public_address, token) as channel:
        yield channel
