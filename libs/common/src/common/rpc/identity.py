"""Who calls a method, and whether they may: set for the layers below before the method runs."""

from typing import Any

from google.protobuf.message import Message

from common.auth.permissions import permission_of, region_reader, required_grant
from common.auth.tokens import Verifier
from common.caller import ANONYMOUS, CALLER, Caller

AUTHORIZATION = "authorization"


class Identity:
    """Admits the callers of one method; without a verifier, everybody.

    Only the token counts: whatever else the metadata says of the caller is not looked at.
    """

    def __init__(self, method: str, verifier: Verifier | None) -> None:
        self._verifier = verifier
        self._permission = permission_of(method)
        self._region_of = region_reader(method)

    async def admit(self, request: Message, context: Any) -> None:
        """Set the caller of this call.

        Raises:
            Unauthenticated, PermissionDenied, IssuerAway: The method must not run.
        """
        if self._verifier is None:
            CALLER.set(ANONYMOUS)
            return
        principal = await self._verifier.principal(header(context, AUTHORIZATION))
        region = self._region_of(request) if hasattr(request, "DESCRIPTOR") else ""
        grant = required_grant(principal, self._permission, region)
        CALLER.set(
            Caller(principal.subject, principal.regions(), str(grant or ""), principal.expires)
        )


def header(context: Any, name: str) -> str:
    """Return a header of the call; given twice it is as good as none."""
    given = [value for key, value in context.invocation_metadata() or () if key == name]
    return str(given[0]) if len(given) == 1 else ""
