"""The server as the agent meets it: two calls, over JSON."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from siteagent.buffer import Rejection
from siteagent.keys import Identity

BATCH = b"smartcity agent batch v1\n"
"""What stands before the signed bytes; SubmitBatchRequest says so."""
CALL_S = 60.0
TOO_MANY, BROKEN = 429, 500


class Unreachable(Exception):
    """There was no answer, or none of the platform's; the same may be sent again later."""

    def __init__(self, message: str, retry_s: float = 0) -> None:
        super().__init__(message)
        self.retry_s = retry_s
        """After how long the server says that it helps to try again; 0 when it says nothing."""


class Crowded(Unreachable):
    """The server takes the backlogs of others now; a small batch would pass."""


class Refused(Exception):
    """The platform refused a call."""

    def __init__(self, message: str, reason: str, metadata: Mapping[str, str]) -> None:
        super().__init__(message)
        self.reason = reason
        self.metadata = metadata


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a batch: the server's time, and what was rejected by its place."""

    server_us: int
    rejections: Mapping[int, Rejection]


@dataclass(frozen=True, slots=True)
class Server:
    """The platform's one port, and who calls it."""

    client: httpx.AsyncClient
    identity: Identity
    key: Ed25519PrivateKey

    async def enrol(self, code: str) -> None:
        """Give the server the key, by the one-time code.

        Raises:
            Unreachable, Refused: It does not know the key now, as far as is known.
        """
        name = self.identity.agent
        public = self.key.public_key().public_bytes_raw()
        body = {
            "code": code,
            "publicKey": _text(public),
            "proof": _text(self.key.sign(f"smartcity agent enrolment v1\n{name}\n{code}".encode())),
            "requestId": "enrol-" + sha256(public + code.encode()).hexdigest(),
        }
        await self._call("enrol", body)

    async def submit(self, batch: bytes) -> Answer:
        """Send a batch, signed.

        Raises:
            Unreachable, Refused: It may not be stored.
        """
        signature = self.key.sign(BATCH + batch)
        answer = await self._call("submit", {"batch": _text(batch), "signature": _text(signature)})
        try:
            rejections: Sequence[Any] = answer.get("report", {}).get("rejections", ())
            return Answer(
                micros(answer["serverTime"]),
                {r.get("index", 0): Rejection(r["reason"], r["message"]) for r in rejections},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Unreachable(f"the answer is none of the platform's: {error!r}") from error

    async def _call(self, verb: str, body: Mapping[str, str]) -> dict[str, Any]:
        url = f"{self.identity.server.rstrip('/')}/v1/{self.identity.agent}:{verb}"
        try:
            response = await self.client.post(url, json=body, timeout=CALL_S)
            answer = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if not isinstance(answer, dict):
            raise Unreachable("the answer is none of the platform's")
        if response.is_success:
            return answer
        raise _failure(response.status_code, answer)


def micros(time: str) -> int:
    """Return a time of the server's in microseconds since 1970."""
    return round(datetime.fromisoformat(time).timestamp() * 1_000_000)


def _failure(status: int, answer: Mapping[str, Any]) -> Exception:
    message = f"{status}: {answer.get('message')}"
    details = answer.get("details") or ()
    info = next((one for one in details if "reason" in one), None)
    if status >= BROKEN or status == TOO_MANY or info is None:
        delay = next((one["retryDelay"] for one in details if "retryDelay" in one), "0s")
        kind = Crowded if info and info["reason"] == "BACKLOG_CROWDED" else Unreachable
        return kind(message, float(delay.removesuffix("s")))
    return Refused(message, info["reason"], info.get("metadata", {}))


def _text(content: bytes) -> str:
    return b64encode(content).decode()
