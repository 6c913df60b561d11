"""The contract's error form, `google.rpc.Status` as JSON, for what the edge itself refuses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from common.errors import Violation
from google.protobuf import any_pb2, duration_pb2, json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

DOMAIN = "gateway"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal of the edge: the HTTP status, the gRPC code, a reason and a sentence."""

    http: HTTPStatus
    code: StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: Sequence[Violation] = ()
    retry_after_s: int = 0

    def status(self) -> status_pb2.Status:
        """Return the refusal as gRPC tells it in `grpc-status-details-bin`."""
        details = [_packed(detail) for detail in self._details()]
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=details)

    def document(self) -> dict[str, Any]:
        """Return the refusal as HTTP tells it."""
        document = json_format.MessageToDict(self.status())
        return {"code": document["code"], "message": self.message, "details": document["details"]}

    def body(self) -> bytes:
        """Return the document as UTF-8 text; a lone surrogate in a message stays escaped."""
        return json.dumps(self.document()).encode()

    def _details(self) -> list[Message]:
        details: list[Message] = [
            error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        ]
        if self.violations:
            listed = [
                {"field": v.field, "description": v.message, "reason": v.reason}
                for v in self.violations
            ]
            details.append(error_details_pb2.BadRequest(field_violations=listed))
        if self.retry_after_s:
            delay = duration_pb2.Duration(seconds=self.retry_after_s)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        return details


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
