"""What a refused call told its caller, unpacked."""

from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from common.errors import Violation


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed call: its code, reason, values, and what is wrong with which field."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str]
    violations: list[Violation]
    message: str

    @property
    def fields(self) -> dict[str, str]:
        """The wrong fields with a sentence each."""
        return {violation.field: violation.message for violation in self.violations}


def refusal_of(error: grpc.RpcError) -> Refusal:
    """Unpack the status of a failed call; what it does not tell is empty."""
    info, wrong = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status else ():
        for kind in (info, wrong):
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(kind)
    return Refusal(
        code=error.code(),
        reason=info.reason,
        metadata=dict(info.metadata),
        violations=[Violation(v.field, v.description, v.reason) for v in wrong.field_violations],
        message=error.details() or "",
    )
