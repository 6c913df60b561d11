"""Tokens of the local issuer for programs on this machine."""

from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import httpx

from devstack.errors import TokenRefused
from devstack.keys import client_secret


async def fetch_token(issuer: str, secrets: Path, grants: Sequence[str]) -> str:
    """Return an access token with these grants, good for one hour.

    Raises:
        TokenRefused: The issuer says why, or it is not the local one.
    """
    asked = {"grant_type": "client_credentials", "scope": " ".join(grants)}
    async with httpx.AsyncClient(auth=("local", client_secret(secrets))) as client:
        try:
            answer = await client.post(f"{issuer}/token", data=asked)
        except httpx.HTTPError as error:
            raise TokenRefused(f"{issuer} does not answer as the local issuer does") from error
    if answer.status_code != HTTPStatus.OK:
        raise TokenRefused(f"no token from {issuer}: {_why(answer)}")
    return str(answer.json()["access_token"])


def _why(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error_description"])
    except (ValueError, KeyError):
        return f"it answers with {answer.status_code}"
