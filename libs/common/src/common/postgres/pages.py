"""Keyset pages: a token says after which key the next page begins.

A token belongs to its request: the same fields but `page_size` give the same fingerprint. It is
no secret and no grant: whoever forges one gets another place in a list that they may read anyway.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from google.protobuf.message import Message

from common.errors import FieldsInvalid, Violation

DEFAULT_SIZE = 50
MAX_SIZE = 1000
LARGEST = 2**63 - 1
NUL = "\0"

Part = Callable[[str], object]


class PageTokenInvalid(FieldsInvalid):
    """The token was changed, or the request around it was."""

    reason = "PAGE_TOKEN_INVALID"


class Page:
    """What a List request asks for: how many rows, after which key.

    `key` says how each part of the key is read from its text in the token, `most` how many rows a
    page may have.
    """

    def __init__(
        self, request: Message, *, key: Sequence[Part] = (str,), most: int = MAX_SIZE
    ) -> None:
        self._key = key
        self._fingerprint = _fingerprint(request)
        wanted: int = request.page_size  # type: ignore[attr-defined]
        token: str = request.page_token  # type: ignore[attr-defined]
        self.size = min(wanted or DEFAULT_SIZE, most)
        self.after: list[Any] = self._decode(token) if token else [None] * len(key)
        """The key after which the page begins; None for each part on the first page."""

    @property
    def limit(self) -> int:
        """One row more than the page, to see whether there is another page."""
        return self.size + 1

    def token(self, *key: str) -> str:
        """Return the token of the page after the row with `key`."""
        body = orjson.dumps(key)
        return base64.urlsafe_b64encode(self._seal(body) + body).decode()

    def _decode(self, token: str) -> list[Any]:
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise _invalid() from error
        seal, body = raw[:8], raw[8:]
        if seal != self._seal(body):
            raise _invalid()
        try:
            parts = orjson.loads(body)
            key = [part(text) for part, text in zip(self._key, parts, strict=True)]
        except (ValueError, TypeError) as error:
            raise _invalid() from error
        if not all(map(_can_be_stored, key)):
            raise _invalid()
        return key

    def _seal(self, body: bytes) -> bytes:
        return blake2b(self._fingerprint + body, digest_size=8).digest()


def _can_be_stored(value: object) -> bool:
    """Tell whether a column may hold it; what may not is in no row, but in a forged token."""
    match value:
        case str():
            return NUL not in value
        case int():
            return abs(value) <= LARGEST
        case datetime():
            return value.tzinfo is not None
        case _:
            return True


def _fingerprint(request: Message) -> bytes:
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_token")
    rest.ClearField("page_size")
    name = request.DESCRIPTOR.full_name.encode()
    return blake2b(name + rest.SerializeToString(deterministic=True), digest_size=8).digest()


def _invalid() -> PageTokenInvalid:
    sentence = "is not a token of this list with these filters; begin again without it"
    return PageTokenInvalid([Violation("pageToken", sentence, "PAGE_TOKEN_INVALID")])
