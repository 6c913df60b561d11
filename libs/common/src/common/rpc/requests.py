"""The requests of a call as they arrive: read, of a right form, and about what the caller may do.

A stream of requests is one call: it is admitted by its first request, and the others are about the
same region.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from common.auth.permissions import name_reader
from common.auth.tokens import Unauthenticated
from common.caller import current_caller
from common.errors import FieldsInvalid, Kind, ServiceError, Violation
from common.names import region_of

BrokenRules = Callable[[Message], Sequence[Violation]]
"""Returns the broken ones of the rules that are looked at before the method is called."""


class RequestMalformed(ServiceError):
    """The bytes of the request cannot be read as its message."""

    kind = Kind.INVALID
    reason = "REQUEST_MALFORMED"


class RequestMissing(ServiceError):
    """A stream of requests ended before its first."""

    kind = Kind.INVALID
    reason = "REQUEST_MISSING"


class RegionChanged(ServiceError):
    """A request of a stream is about another region than the first."""

    kind = Kind.INVALID
    reason = "REGION_CHANGED"


class Malformed:
    """Stands in for a request that could not be read, so that it is refused like any other."""


def lenient(read: Any) -> Callable[[bytes], Any]:
    """Return a reader of requests that never fails: what it cannot read is `Malformed`."""

    def read_or_mark(packed: bytes) -> Any:
        try:
            return read(packed)
        except DecodeError:
            return Malformed()

    return read_or_mark


class Form:
    """What the requests of one method must be like."""

    def __init__(self, method: str, broken_rules: BrokenRules) -> None:
        self._broken_rules = broken_rules
        self._name_of = name_reader(method)

    def name_in(self, request: Message | Malformed) -> str:
        """Return the resource name that a request carries, "" for none."""
        return "" if isinstance(request, Malformed) else self._name_of(request)

    def check(self, request: Message | Malformed) -> None:
        """Refuse a request that breaks a rule.

        Raises:
            RequestMalformed, FieldsInvalid: With every violation.
        """
        if isinstance(request, Malformed):
            raise RequestMalformed("the request is no message of this method")
        if found := self._broken_rules(request):
            raise FieldsInvalid(found)


class Requests:
    """The requests of one call that streams them, each looked at before it is given out.

    A caller who vanishes looks like one who is done until the runtime cancels the call, a moment
    later: that requests end says nothing of whether all were sent.
    """

    def __init__(self, incoming: AsyncIterator[Message | Malformed], form: Form) -> None:
        self._incoming = aiter(incoming)
        self._form = form
        self._first: Message | Malformed | None = None
        self._region = ""
        self.count = 0
        """How many were given out."""

    async def begin(self) -> str:
        """Wait for the first request and return the resource name in it.

        Raises:
            RequestMissing: There is none.
        """
        async for request in self._incoming:
            self._first = request
            name = self._form.name_in(request)
            self._region = region_of(name)
            return name
        raise RequestMissing("at least one request must be sent")

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """Return the next request.

        Raises:
            RequestMalformed, FieldsInvalid, RegionChanged: It must not be obeyed.
            Unauthenticated: The caller's token ended meanwhile.
        """
        request, self._first = self._first, None
        if request is None:
            request = await anext(self._incoming)
            self._look(request)
        self._form.check(request)
        self.count += 1
        return request  # type: ignore[return-value] # what is Malformed was refused

    def _look(self, request: Message | Malformed) -> None:
        if current_caller().expires < time.time():
            raise Unauthenticated("the token has expired; begin again with another one")
        region = region_of(self._form.name_in(request))
        if region != self._region and not isinstance(request, Malformed):
            raise RegionChanged(
                f"the first request is about region {self._region!r}, this one about {region[:9]!r}"
            )
