"""Fixtures of a cluster: its address and a token, as the journeys of `tests/e2e` take them."""

import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from bearer import ClusterToken
from kubectl import secret

GRANT = "64.01/operator"


@pytest.fixture(scope="session")
def address() -> str:
    """Give the public address, as https://smartcity.localhost:8443."""
    return os.environ["SMARTCITY_E2E_ADDRESS"]


@pytest.fixture(scope="session")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the file with the authority of the edge's certificate."""
    path: Path = tmp_path_factory.mktemp("authority") / "ca.crt"
    path.write_text(secret("edge", "edge-tls")["ca.crt"])
    return str(path)


@pytest.fixture(scope="session")
async def api(address: str, trusted: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the edge with an operator's token."""
    token = ClusterToken(os.environ["SMARTCITY_E2E_ISSUER"], GRANT)
    async with httpx.AsyncClient(
        base_url=address, auth=token, verify=ssl.create_default_context(cafile=trusted), timeout=60
    ) as client:
        yield client
