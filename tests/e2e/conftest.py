"""What the journeys share: the running platform and clients of its one port."""

from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from devstack.stack import Stack


@pytest.fixture(scope="session")
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """Give an HTTP client of the session's platform."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
async def channel(stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    """Give a gRPC channel to the same port."""
    async with grpc.aio.insecure_channel(stack.place.public_address) as opened:
        yield opened
