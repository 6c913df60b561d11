"""Who makes the call that is being answered."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal of a call. Until tokens are verified everybody is anonymous."""

    subject: str = "anonymous"


CALLER: ContextVar[Caller] = ContextVar("caller")


def current_caller() -> Caller:
    """Return the caller of the running call; anonymous when nobody was identified."""
    return CALLER.get(Caller())
