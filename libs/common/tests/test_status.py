import pytest
from common.errors import EtagStale, FieldsInvalid, Kind, ServiceError, Violation
from common.rpc.status import CODES, MAX_VIOLATIONS, to_status
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode


def details(status: status_pb2.Status, kind: type[Message]) -> list[Message]:
    found = []
    for packed in status.details:
        message = kind()
        if packed.Unpack(message):
            found.append(message)
    return found


def test_every_kind_has_a_code() -> None:
    assert set(CODES) == set(Kind)


def test_a_refusal_has_one_error_info_with_its_values() -> None:
    status = to_status(EtagStale("regions/64.01/points/A", "old", "new"), "inventory")
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, info.metadata["current"]) == (
        "ETAG_STALE",
        "inventory",
        "new",
    )
    assert status.code == StatusCode.ABORTED.value[0]


def test_violations_fit_into_the_trailers_and_the_message_names_them() -> None:
    wrong = [Violation(f"field{n}", "is wrong" * 100, "WRONG") for n in range(100)]
    status = to_status(FieldsInvalid(wrong), "inventory")
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert len(bad.field_violations) == MAX_VIOLATIONS
    assert status.ByteSize() < 8192


@pytest.mark.parametrize("delay_s", [None, 0.1, 2.0])
def test_a_retry_is_told_where_it_helps(delay_s: float | None) -> None:
    class Away(ServiceError):
        kind, reason, retry_after_s = Kind.UNAVAILABLE, "AWAY", delay_s

    status = to_status(Away("away"), "inventory")
    delays = [
        info.retry_delay.ToMilliseconds() / 1000
        for info in details(status, error_details_pb2.RetryInfo)
        if isinstance(info, error_details_pb2.RetryInfo)
    ]
    assert delays == ([] if delay_s is None else [delay_s])
