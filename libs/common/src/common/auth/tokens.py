"""Bearer tokens: verified against the issuer's keys, remembered until they end."""

import binascii
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from common.auth.grants import Principal, grants_from
from common.auth.keys import IssuerKeys
from common.errors import Kind, ServiceError

ALGORITHMS = ["RS256", "ES256"]
SKEW_S = 60
LONGEST = 16 * 1024
MOST_REMEMBERED = 10_000
SCHEME = "bearer "
SUBJECT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}")


class Unauthenticated(ServiceError):
    """The caller did not say who they are, or what they said cannot be believed."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


@dataclass(slots=True)
class Verifier:
    """Verifies the tokens of one issuer for one audience."""

    keys: IssuerKeys
    audience: str
    claim: str = "groups"
    """The claim that holds the grants."""
    clock: Callable[[], float] = time.time
    _known: dict[bytes, Principal] = field(default_factory=dict)

    async def principal(self, authorization: str) -> Principal:
        """Return who the header `authorization` says is calling.

        Raises:
            Unauthenticated: There is no token, or one that is not to be believed.
            IssuerAway: Whether to believe it cannot be found out now.
        """
        if not authorization:
            raise Unauthenticated("a bearer token is needed in the header authorization")
        if not authorization[: len(SCHEME)].lower() == SCHEME:
            raise Unauthenticated("the header authorization must be: Bearer <token>")
        token = authorization[len(SCHEME) :].strip()
        if len(token) > LONGEST:
            raise Unauthenticated(f"the token is longer than {LONGEST} bytes")
        return await self._believed(token)

    async def _believed(self, token: str) -> Principal:
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._known.get(digest)
        if known is None:
            known = self._checked(await self._claims(token))
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = known
        if self.clock() > known.expires + SKEW_S:
            self._known.pop(digest, None)
            raise Unauthenticated("the token has expired")
        return known

    async def _claims(self, token: str) -> dict[str, Any]:
        """Return the claims of a token whose signature is the issuer's."""
        try:
            headers = extract_compact(token.encode("ascii")).headers()
            algorithm, key_id = headers.get("alg"), headers.get("kid")
            if algorithm not in ALGORITHMS:
                raise Unauthenticated(f"the token must be signed with one of {ALGORITHMS}")
            key = await self.keys.key(str(key_id))
            if key is None:
                raise Unauthenticated("the token is signed with a key that the issuer has not")
            return dict(jwt.decode(token, key, algorithms=ALGORITHMS).claims)
        except (JoseError, ValueError, binascii.Error, TypeError, AttributeError) as error:
            raise Unauthenticated("the token cannot be read, or its signature is wrong") from error

    def _checked(self, claims: dict[str, Any]) -> Principal:
        now = self.clock()
        expires, begins = claims.get("exp"), claims.get("nbf", claims.get("iat", 0))
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        subject = claims.get("sub")
        if claims.get("iss") != self.keys.issuer:
            raise Unauthenticated("the token is of another issuer")
        if self.audience not in audiences:
            raise Unauthenticated("the token is for another audience")
        if not _is_time(expires) or expires + SKEW_S < now:
            raise Unauthenticated("the token has expired")
        if not _is_time(begins) or begins - SKEW_S > now:
            raise Unauthenticated("the token is not valid yet")
        if not isinstance(subject, str) or not SUBJECT.fullmatch(subject):
            raise Unauthenticated("the token names no subject of 1 to 255 printable characters")
        return Principal(subject, grants_from(claims.get(self.claim)), float(expires))


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
