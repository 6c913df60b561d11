"""The refusals that a caller understands: a few kinds, each failure a small class of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What sort of refusal it is; `common.rpc.status` maps each kind to one gRPC code."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    NOT_FOUND = "not found"
    EXISTS = "exists"
    WRONG_STATE = "wrong state"
    CONFLICT = "conflict"
    TOO_LARGE = "too large"
    TIMED_OUT = "timed out"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field: its JSON path in the request, a sentence, and the rule's name."""

    field: str
    message: str
    reason: str = ""


class ServiceError(Exception):
    """A refusal with a reason for machines, a sentence for people and the values involved."""

    kind: ClassVar[Kind]
    reason: ClassVar[str]
    retry_after_s: ClassVar[float | None] = None

    def __init__(
        self, message: str, *, violations: Sequence[Violation] = (), **metadata: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        self.metadata = {key: str(value) for key, value in metadata.items()}


class FieldsInvalid(ServiceError):
    """At least one field breaks its rule; every violation is listed."""

    kind = Kind.INVALID
    reason = "FIELDS_INVALID"

    def __init__(self, violations: Sequence[Violation]) -> None:
        listed = "; ".join(f"{v.field}: {v.message}" for v in violations)
        super().__init__(listed, violations=violations)


class ResourceMissing(ServiceError):
    """There is no resource of this name."""

    kind = Kind.NOT_FOUND
    reason = "RESOURCE_MISSING"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} does not exist", resource=name)


class ResourceExists(ServiceError):
    """A resource of this name exists."""

    kind = Kind.EXISTS
    reason = "RESOURCE_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} exists already", resource=name)


class EtagStale(ServiceError):
    """Somebody changed the resource after the caller had read it."""

    kind = Kind.CONFLICT
    reason = "ETAG_STALE"

    def __init__(self, name: str, given: str, current: str) -> None:
        super().__init__(
            f"{name} was changed by somebody else; read it again and repeat your change",
            resource=name,
            given=given,
            current=current,
        )
