"""Who makes the call that is being answered, and which regions they may see."""

from contextvars import ContextVar
from dataclasses import dataclass
from math import inf

ALL_REGIONS = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller as the layers below know them."""

    subject: str
    regions: str
    """Codes joined by commas, `*` for all; what the database lets pass (row-level security)."""
    grant: str = ""
    """The grant that allowed the call, as `64.01/operator`."""
    expires: float = inf
    """When the caller's token ends, in seconds since 1970."""


NOBODY = Caller("nobody", "")
"""Whoever was not set: sees no row."""
STRANGER = Caller("stranger", "")
"""Whoever brings no token to a method that is for anyone."""
ANONYMOUS = Caller("anonymous", ALL_REGIONS)
"""Every caller of a service whose identity is switched off."""
SYSTEM = Caller("system", ALL_REGIONS)
"""The process itself: relays, consumers, loaders."""
CALLER: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


def current_caller() -> Caller:
    """Return the caller of the running call."""
    return CALLER.get()
