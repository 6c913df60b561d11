"""What the journeys share: the running platform and clients of its one port."""

from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from devstack.callers import grpc_caller, http_caller
from devstack.stack import Stack


@pytest.fixture(scope="session")
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the session's platform."""
    async with http_caller(stack) as client:
        yield client


@pytest.fixture(scope="session")
async def channel(stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    """Give a gRPC channel to the same port."""
    async with grpc_caller(stack) as opened:
        yield opened
