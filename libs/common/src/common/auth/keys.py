"""The issuer's public keys, fetched when needed and kept."""

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from common.errors import Kind, ServiceError
from common.telemetry.logs import logger

FRESH_S = 600.0
"""After this a known set is fetched again, beside the calls."""
AGAIN_S = 10.0
"""How long nobody can make us fetch again, whatever key ids they name."""
FIRST_AGAIN_S = 1.0
"""The same while no key is known, and so nobody can be told from anybody."""
FETCH_S = 10.0
DISCOVERY = "/.well-known/openid-configuration"
MOST_KEYS = 100


class IssuerAway(ServiceError):
    """The issuer's keys cannot be fetched, and none are known."""

    kind = Kind.UNAVAILABLE
    reason = "ISSUER_AWAY"
    retry_after_s = 2.0


@dataclass(slots=True)
class IssuerKeys:
    """The keys of one issuer, found by OpenID Connect Discovery."""

    issuer: str
    ca_file: Path | None = None
    """Whom to trust to have certified it, in place of the authorities that the system knows."""
    _known: dict[str, Any] = field(default_factory=dict)
    _fetched: float = -1e9
    _tried: float = -1e9
    _fetching: "asyncio.Task[None] | None" = None

    async def key(self, key_id: str) -> Any | None:
        """Return the public key with this id, None when the issuer has none.

        Raises:
            IssuerAway: No key is known at all.
        """
        if key_id not in self._known or time.monotonic() - self._fetched > FRESH_S:
            fetching = self._begin()
            if fetching and key_id not in self._known:
                await asyncio.shield(fetching)  # a caller who gives up takes it from nobody else
        if not self._known:
            raise IssuerAway(f"the keys of {self.issuer} cannot be fetched; repeat the call")
        return self._known.get(key_id)

    def _begin(self) -> "asyncio.Task[None] | None":
        """Return the fetch that is under way, begun now if it is time, else None."""
        if self._fetching is None or self._fetching.done():
            now = time.monotonic()
            if now - self._tried < (AGAIN_S if self._known else FIRST_AGAIN_S):
                return None
            self._tried = now
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        """Fetch the set; a failure keeps what is known."""
        try:
            async with asyncio.timeout(FETCH_S):
                self._known = await _keys(self.issuer, self.ca_file)
            self._fetched = time.monotonic()
        except (httpx.HTTPError, OSError, JoseError, ValueError, KeyError, TypeError) as error:
            logger().warning("keys not fetched", issuer=self.issuer, error=repr(error))


async def _keys(issuer: str, ca_file: Path | None) -> dict[str, Any]:
    trusted = ssl.create_default_context(cafile=ca_file)  # read anew, for it may be renewed
    async with httpx.AsyncClient(follow_redirects=False, verify=trusted) as client:
        described = await client.get(issuer.rstrip("/") + DISCOVERY)
        described.raise_for_status()
        if described.json()["issuer"] != issuer:
            raise ValueError(f"the issuer says that it is {described.json()['issuer']}")
        answer = await client.get(described.json()["jwks_uri"])
        answer.raise_for_status()
    found = KeySet.import_key_set(answer.json())
    # Only public keys for signatures; a secret of both sides is never one.
    usable = [key for key in found.keys[:MOST_KEYS] if key.key_type in ("RSA", "EC")]
    return {key.kid: key for key in usable if key.kid and key.get("use") in (None, "sig")}
