"""What Envoy says when it refuses by itself, in the contract's error form.

A gRPC caller is told by headers, all others by JSON. A transcoded request counts as the latter,
although it looks like gRPC once it has passed the transcoder.
"""

import base64
from http import HTTPStatus
from typing import Any

from grpc import StatusCode

from gateway.errors import Refusal

JsonObject = dict[str, Any]
SAYS = "%LOCAL_REPLY_BODY%"

WHY = "%RESPONSE_CODE_DETAILS% " + SAYS

UNPUBLISHED = Refusal(
    HTTPStatus.NOT_FOUND,
    StatusCode.UNIMPLEMENTED,
    "METHOD_UNKNOWN",
    "this method is not published here; reflection lists all",
)
REFUSALS = (
    Refusal(
        HTTPStatus.BAD_REQUEST,
        StatusCode.INVALID_ARGUMENT,
        "REQUEST_INVALID",
        f"the request cannot be read: {WHY}",
    ),
    Refusal(HTTPStatus.NOT_FOUND, StatusCode.NOT_FOUND, "PATH_UNKNOWN", "this path is not known"),
    Refusal(
        HTTPStatus.REQUEST_TIMEOUT,
        StatusCode.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
        "the request took too long to arrive or to be answered",
    ),
    Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        StatusCode.RESOURCE_EXHAUSTED,
        "BODY_TOO_LARGE",
        "the body is too large: a JSON body may have {json} bytes, a file {upload} bytes",
    ),
    Refusal(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        StatusCode.RESOURCE_EXHAUSTED,
        "HEADERS_TOO_LARGE",
        "the request's headers are too large",
    ),
    Refusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        StatusCode.RESOURCE_EXHAUSTED,
        "TOO_MANY_REQUESTS",
        "too many requests at once; try again soon",
        retry_after_s=1,
    ),
    Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        StatusCode.UNAVAILABLE,
        "SERVICE_UNAVAILABLE",
        "the service behind this path does not answer now; try again soon",
        retry_after_s=2,
    ),
    Refusal(
        HTTPStatus.GATEWAY_TIMEOUT,
        StatusCode.DEADLINE_EXCEEDED,
        "DEADLINE_EXCEEDED",
        "the service took longer than the deadline",
    ),
)
MISUSED = REFUSALS[0]
"""For every other refusal that is the caller's doing."""
OTHERWISE = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, StatusCode.INTERNAL, "EDGE_FAILED", f"the edge failed: {WHY}"
)


def local_replies(max_json_bytes: int, max_upload_bytes: int) -> JsonObject:
    """Return Envoy's `local_reply_config`; its first mapper that fits a refusal words it."""
    known = [_limits_told(one, max_json_bytes, max_upload_bytes) for one in REFUSALS]
    return {
        "mappers": [
            _checked(),
            *(_grpc(one) for one in (UNPUBLISHED, *known) if SAYS not in one.message),
            {"filter": _is_grpc(), "body_format_override": _text(SAYS)},
            *(_json(one, _status_is(one.http)) for one in known),
            _json(OTHERWISE, _status_is(HTTPStatus.INTERNAL_SERVER_ERROR, "GE")),
            _json(MISUSED, _status_is(HTTPStatus.BAD_REQUEST, "GE")),
        ]
    }


def _limits_told(refusal: Refusal, max_json_bytes: int, max_upload_bytes: int) -> Refusal:
    if refusal.http is not HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return refusal
    told = refusal.message.format(json=max_json_bytes, upload=max_upload_bytes)
    return Refusal(refusal.http, refusal.code, refusal.reason, told)


def _checked() -> JsonObject:
    """Hand on what the check of JSON bodies said, as it is."""
    flagged = {"response_flag_filter": {"flags": ["UAEX"]}}
    told = {**_text(SAYS), "content_type": "application/json"}
    answered = _status_is(HTTPStatus.BAD_REQUEST)
    return {"filter": _all(flagged, answered), "body_format_override": told}


def _grpc(refusal: Refusal) -> JsonObject:
    """Tell a gRPC caller, or the transcoder, with the details in the trailer made for them."""
    packed = base64.b64encode(refusal.status().SerializeToString()).decode().rstrip("=")
    headers = {
        "grpc-status": str(refusal.code.value[0]),
        "grpc-status-details-bin": packed,
    }
    return {
        "filter": _all(_is_grpc(), _status_is(refusal.http)),
        "headers_to_add": [
            {
                "header": {"key": key, "value": value},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
            for key, value in headers.items()
        ],
        "body_format_override": _text(refusal.message),
    }


def _json(refusal: Refusal, condition: JsonObject) -> JsonObject:
    reply: JsonObject = {
        "filter": condition,
        "body_format_override": {
            "json_format": refusal.document(),
            "content_type": "application/json",
        },
    }
    if refusal.retry_after_s:
        header = {"key": "retry-after", "value": str(refusal.retry_after_s)}
        reply["headers_to_add"] = [{"header": header}]
    return reply


def _status_is(status: HTTPStatus, comparison: str = "EQ") -> JsonObject:
    value = {"default_value": int(status), "runtime_key": "smartcity.local_reply_status"}
    return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}


def _is_grpc() -> JsonObject:
    """Fit what came as gRPC; the transcoder marks what it made gRPC of with the first method."""
    grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    transcoded = {"name": "x-envoy-original-method", "present_match": True, "invert_match": True}
    return _all({"header_filter": {"header": grpc}}, {"header_filter": {"header": transcoded}})


def _text(text: str) -> JsonObject:
    return {"text_format_source": {"inline_string": text}}


def _all(*conditions: JsonObject) -> JsonObject:
    return {"and_filter": {"filters": list(conditions)}}
