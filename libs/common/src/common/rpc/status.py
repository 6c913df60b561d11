"""The one table from a refusal to the gRPC status that tells it; driver text never leaves."""

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from common.errors import Kind, ServiceError

CODES = {
    Kind.INVALID: StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: StatusCode.UNAUTHENTICATED,
    Kind.DENIED: StatusCode.PERMISSION_DENIED,
    Kind.NOT_FOUND: StatusCode.NOT_FOUND,
    Kind.EXISTS: StatusCode.ALREADY_EXISTS,
    Kind.WRONG_STATE: StatusCode.FAILED_PRECONDITION,
    Kind.CONFLICT: StatusCode.ABORTED,
    Kind.TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    Kind.TIMED_OUT: StatusCode.DEADLINE_EXCEEDED,
    Kind.UNAVAILABLE: StatusCode.UNAVAILABLE,
}
MAX_VIOLATIONS = 25
"""More would not fit into the trailers (HTTP/2 peers allow 8 KiB); the message counts the rest."""
MAX_TEXT = 200


def to_status(error: ServiceError, domain: str) -> status_pb2.Status:
    """Return the status with one ErrorInfo, and BadRequest and RetryInfo where they help."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason,
            domain=domain,
            metadata={key: value[:MAX_TEXT] for key, value in error.metadata.items()},
        )
    ]
    if error.violations:
        details.append(_bad_request(error))
    if error.retry_after_s is not None:
        details.append(_retry_info(error.retry_after_s))
    message = error.message if len(error.message) <= 10 * MAX_TEXT else error.message[:1999] + "…"
    code = CODES[error.kind].value[0]
    return status_pb2.Status(code=code, message=message, details=[_packed(d) for d in details])


def internal_status(domain: str, call_id: str) -> status_pb2.Status:
    """Return what a caller is told about a fault of ours: only where to find it in the log."""
    info = error_details_pb2.ErrorInfo(
        reason="INTERNAL", domain=domain, metadata={"call_id": call_id}
    )
    return status_pb2.Status(
        code=StatusCode.INTERNAL.value[0],
        message=f"the service failed; its log names call {call_id}",
        details=[_packed(info)],
    )


def _bad_request(error: ServiceError) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            {"field": v.field, "description": v.message[:MAX_TEXT], "reason": v.reason}
            for v in error.violations[:MAX_VIOLATIONS]
        ]
    )


def _retry_info(delay_s: float) -> error_details_pb2.RetryInfo:
    delay = duration_pb2.Duration()
    delay.FromMilliseconds(round(delay_s * 1000))
    return error_details_pb2.RetryInfo(retry_delay=delay)


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
