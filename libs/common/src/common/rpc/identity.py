"""Who calls a method, and whether they may: set for the layers below before the method runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from common.auth.grants import anyone_may
from common.auth.permissions import permission_of, required_grant
from common.auth.tokens import Verifier
from common.caller import ANONYMOUS, CALLER, STRANGER, Caller
from common.names import is_region, region_of

AUTHORIZATION = "authorization"


class Identity:
    """Admits the callers of one method; without a verifier, everybody.

    Only the token counts: whatever else the metadata says of the caller is not looked at. A method
    for anyone needs none, but one that is brought must be right; whoever calls it sees the region
    that the call names, with a token of another region too.
    """

    def __init__(self, method: str, verifier: Verifier | None) -> None:
        self._verifier = verifier
        self._permission = permission_of(method)
        self._for_anyone = anyone_may(self._permission)

    async def admit(self, resource: str, context: Any) -> None:
        """Set the caller of this call about a resource; one who is refused too, for the log.

        Raises:
            Unauthenticated, PermissionDenied, IssuerAway: The method must not run.
        """
        allow = await self.recognise(context)
        allow(resource)

    async def recognise(self, context: Any) -> Callable[[str], None]:
        """Set who calls; return what then allows or refuses the call about a resource.

        Raises:
            Unauthenticated, IssuerAway: The method must not run.
        """
        if self._verifier is None:
            CALLER.set(ANONYMOUS)
            return lambda _: None
        if self._for_anyone and not _brings(context, AUTHORIZATION):
            return _admit_stranger
        principal = await self._verifier.principal(header(context, AUTHORIZATION))
        known = Caller(principal.subject, principal.regions(), expires=principal.expires)
        CALLER.set(known)

        def allow(resource: str) -> None:
            region = region_of(resource)
            grant = required_grant(principal, self._permission, region)
            regions = _only(region) if self._for_anyone else known.regions
            CALLER.set(replace(known, grant=str(grant or ""), regions=regions))

        return allow


def _admit_stranger(resource: str) -> None:
    CALLER.set(replace(STRANGER, regions=_only(region_of(resource))))


def _only(region: str) -> str:
    """Return what lets the region alone pass; nothing when the name has another form.

    The name was not checked yet: `*` in a region's place would mean all regions.
    """
    return region if is_region(region) else ""


def _brings(context: Any, name: str) -> bool:
    return any(key == name for key, _ in context.invocation_metadata() or ())


def header(context: Any, name: str) -> str:
    """Return a header of the call; given twice it is as good as none."""
    given = [value for key, value in context.invocation_metadata() or () if key == name]
    return str(given[0]) if len(given) == 1 else ""
