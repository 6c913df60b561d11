"""From an address as people write it to one that a socket takes."""

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

SENTENCES = {TimeoutError: "no answer in time", ConnectionRefusedError: "connection refused"}


class Unresolved(Exception):
    """The name has no address, or nobody could be asked for it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with its family."""

    family: int
    address: tuple[Any, ...]
    """Host and port; with flow and scope for IPv6."""

    @property
    def host(self) -> str:
        """The IP address."""
        return str(self.address[0])


async def resolve(address: str, port: int, within_s: float) -> Endpoint:
    """Return the endpoint of an IP address or a host name.

    Raises:
        Unresolved: With a sentence.
    """
    found = _literal(address, port)
    if found is not None:
        return found
    try:
        async with asyncio.timeout(within_s):
            loop = asyncio.get_running_loop()
            answers = await loop.getaddrinfo(address, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved(f"the name {address} has no address: {sentence(error)}") from error
    family, _, _, _, endpoint = answers[0]
    return Endpoint(family, endpoint)


def sentence(error: Exception) -> str:
    """Return what went wrong, for people."""
    for kind, text in SENTENCES.items():
        if isinstance(error, kind):
            return text
    if isinstance(error, ssl.SSLError | socket.gaierror):  # their numbers are not the system's
        return getattr(error, "verify_message", "") or error.strerror or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__


@lru_cache(maxsize=50_000)
def _literal(address: str, port: int) -> Endpoint | None:
    try:
        version = ip_address(address).version
    except ValueError:
        return None
    if version == 4:  # noqa: PLR2004 - IPv4
        return Endpoint(socket.AF_INET, (address, port))
    return Endpoint(socket.AF_INET6, (address, port, 0, 0))
