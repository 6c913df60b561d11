"""Envoy's route table: which request goes where, how long it may take, what is checked first."""

from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from gateway.contract import Contract, carries_file, upstream_of
from gateway.routes import Routes
from gateway.settings import GatewaySettings

JsonObject = dict[str, Any]
CHECK = "envoy.filters.http.ext_authz"
CORS = "envoy.filters.http.cors"
TYPES = "type.googleapis.com/envoy.extensions.filters.http"
PAGES = "pages"
"""The cluster that is this process's HTTP server."""
OWN_GRPC = "own_grpc"
"""The cluster that is this process's gRPC server."""
COLLECTOR = "collector"
"""The cluster that is the OpenTelemetry collector, where there is one."""
CALL_S = 60
FILE_S = 180
PAGE_PATHS = (
    "/",
    "/openapi.json",
    "/asyncapi.json",
    "/healthz",
    "/readyz",
    "/readyz/edge",
    "/docs",
)
WELL_FORMED = {
    "grpc-timeout": "[0-9]{1,8}[HMSmun]",
    "grpc-encoding": "identity|gzip|deflate",
}
"""What gRPC demands of these headers. One that is malformed makes the gRPC runtime behind refuse
the same header of every other caller too, since all share Envoy's connection to it."""
UNREAD = {"disable_request_body_buffering": True}
REFUSED = "/refused/"
"""Where the pages answer what nobody else does; no public path leads to their other internals."""


def virtual_host(contract: Contract, routes: Routes, settings: GatewaySettings) -> JsonObject:
    """Return the one virtual host; the first route that fits a request takes it."""
    return {
        "name": "public",
        "domains": ["*"],
        "routes": [
            *(_malformed(name, regex) for name, regex in WELL_FORMED.items()),
            *(_method(method) for method in contract.methods),
            *(_own(prefix) for prefix in ("/grpc.reflection.", "/grpc.health.v1.Health/")),
            *(_page(path) for path in PAGE_PATHS),
            _page("/docs/", prefix=True),
            *_uploads(routes),
            _json_bodies(settings.max_json_bytes),
            _queries(),
            {"match": {"prefix": "/", "grpc": {}}, "direct_response": {"status": 404}},
            _refused({"prefix": "/"}),
        ],
        "typed_per_filter_config": {
            CHECK: {"@type": f"{TYPES}.ext_authz.v3.ExtAuthzPerRoute", "disabled": True},
            CORS: _cors(settings.cors_origins),
        },
    }


def _cors(origins: tuple[str, ...]) -> JsonObject:
    anyone: list[JsonObject] = [{"safe_regex": {"regex": ".*"}}]
    return {
        "@type": f"{TYPES}.cors.v3.CorsPolicy",
        "allow_origin_string_match": anyone
        if "*" in origins
        else [{"exact": origin} for origin in origins],
        "allow_methods": "GET,POST,PATCH,PUT,DELETE",
        "allow_headers": "authorization,content-type,grpc-timeout,if-none-match,x-grpc-web,"
        "x-user-agent,x-request-id",
        "expose_headers": "content-disposition,grpc-status,grpc-message,grpc-status-details-bin,"
        "x-request-id,x-trace-id,etag",
        "max_age": "3600",
    }


def _method(method: MethodDescriptor) -> JsonObject:
    path = f"/{method.containing_service.full_name}/{method.name}"
    match = {"path": path, "headers": [_grpc_only()]}
    return _forwarded(match, upstream_of(method.containing_service), _seconds(method))


def _malformed(name: str, regex: str) -> JsonObject:
    wrong = {**_header(name, {"safe_regex": {"regex": regex}}), "invert_match": True}
    given = {"name": name, "present_match": True}
    text = f"the header {name} must be {regex}"
    return {
        "match": {"prefix": "/", "headers": [given, wrong]},
        "direct_response": {"status": 400, "body": {"inline_string": text}},
    }


def _own(prefix: str) -> JsonObject:
    return _forwarded({"prefix": prefix, "headers": [_grpc_only()]}, OWN_GRPC, CALL_S)


def _seconds(method: MethodDescriptor) -> int:
    """Return how long an answer may take; a stream that is no file may last as it likes: 0."""
    if carries_file(method):
        return FILE_S
    return 0 if method.server_streaming else CALL_S


def _forwarded(match: JsonObject, cluster: str, seconds: int) -> JsonObject:
    """Route gRPC; a call that did not reach the service is tried again.

    The time counts from the end of the request, so a slow line may take long over its upload;
    a caller's own deadline (grpc-timeout) counts from the begin and may only be nearer.
    """
    return {
        "match": match,
        "route": {
            "cluster": cluster,
            "timeout": f"{seconds}s",
            "max_stream_duration": {"grpc_timeout_header_max": f"{seconds}s"},
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream",
                "num_retries": 2,
            },
        },
    }


def _page(path: str, *, prefix: bool = False) -> JsonObject:
    match = {"prefix" if prefix else "path": path}
    return {"match": match, "route": {"cluster": PAGES, "timeout": "15s"}}


def _uploads(routes: Routes) -> list[JsonObject]:
    """Leave bodies that are files unread; only their query is checked."""
    return [
        _checked(
            {
                "safe_regex": {"regex": rule.pattern.pattern},
                "headers": [_header(":method", {"exact": rule.verb})],
            },
            UNREAD,
        )
        for rule in routes.rules
        if rule.takes_file
    ]


def _json_bodies(max_bytes: int) -> JsonObject:
    """Have JSON bodies checked: the transcoder stops at the first wrong field."""
    methods = _header(":method", {"safe_regex": {"regex": "POST|PATCH|PUT"}})
    body = {"max_request_bytes": max_bytes, "allow_partial_message": False}
    return _checked({"prefix": "/v1/", "headers": [methods]}, {"with_request_body": body})


def _queries() -> JsonObject:
    """Have query parameters of reads checked, and named as fully as wrong fields of bodies.

    Escapes are checked too: the transcoder lets bytes pass that are not UTF-8.
    """
    asked = _header(":path", {"safe_regex": {"regex": ".*[?%].*"}})
    return _checked({"prefix": "/v1/", "headers": [asked]}, UNREAD)


def _checked(match: JsonObject, check: JsonObject) -> JsonObject:
    route = _refused(match)
    override = {"@type": f"{TYPES}.ext_authz.v3.ExtAuthzPerRoute", "check_settings": check}
    return {**route, "typed_per_filter_config": {CHECK: override}}


def _refused(match: JsonObject) -> JsonObject:
    rewrite = {"pattern": {"regex": "^/"}, "substitution": REFUSED}
    return {
        "match": match,
        "route": {"cluster": PAGES, "timeout": "15s", "regex_rewrite": rewrite},
    }


def _grpc_only() -> JsonObject:
    return _header("content-type", {"prefix": "application/grpc"})


def _header(name: str, match: JsonObject) -> JsonObject:
    return {"name": name, "string_match": match}
