"""Envoy's public listener: its limits, its filters in their order, its access log."""

import base64
from typing import Any

from gateway.contract import Contract
from gateway.edge_routes import (
    CHECK,
    COLLECTOR,
    CORS,
    OWN_GRPC,
    PAGES,
    TYPES,
    virtual_host,
)
from gateway.local_replies import local_replies
from gateway.routes import Routes
from gateway.service_check import PASSED_ON
from gateway.settings import MEBIBYTE, GatewaySettings
from gateway.strangers import limit_of_strangers

JsonObject = dict[str, Any]
ENVOY = "type.googleapis.com/envoy"
CHECK_PATH = "/check"
CHECK_S = 5
COMPRESSED_FROM_BYTES = 1024
AROUND_FILE_BYTES = 4096
"""What the transcoder adds to a file on its way: the names and values of path and query."""
NOT_FOR_SERVICES = (
    "grpc-(status|message|previous-rpc-attempts|retry-pushback-ms|internal-.*|tags-.*)",
    ".*-bin",
)
"""Request headers that are gRPC's own; a caller's would only confuse the runtime behind."""
SAYS_WHAT_TO_TRACE = ("traceparent", "tracestate", "x-client-trace-id", "x-envoy-force-trace")
PATH_ALONE = "%PATH(NQ:ORIG_OR_PATH)%"
PRODUCT = "gateway"
"""The `server` header: what it is, not which version."""


def public_listener(contract: Contract, routes: Routes, settings: GatewaySettings) -> JsonObject:
    """Return the listener of the one public port."""
    manager = _connection_manager(contract, routes, settings)
    return {
        "name": "public",
        "address": socket_address(settings.http_address),
        "per_connection_buffer_limit_bytes": MEBIBYTE,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def socket_address(address: str) -> JsonObject:
    """Return HOST:PORT in Envoy's form."""
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}


def _connection_manager(
    contract: Contract, routes: Routes, settings: GatewaySettings
) -> JsonObject:
    manager = "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    return {
        "@type": f"{ENVOY}.{manager}",
        "stat_prefix": "public",
        "codec_type": "AUTO",
        "server_name": PRODUCT,
        "use_remote_address": True,
        "internal_address_config": {"cidr_ranges": []},
        "always_set_request_id_in_response": True,
        **_limits(settings),
        **_path_rules(),
        "access_log": [_access_log()],
        "tracing": _tracing(settings),
        "early_header_mutation_extensions": [_traces_of_ours()],
        "local_reply_config": local_replies(settings.max_json_bytes, settings.max_upload_bytes),
        "route_config": {
            "name": "public",
            "virtual_hosts": [virtual_host(contract, routes, settings)],
            "response_headers_to_add": [
                _header("x-content-type-options", "nosniff"),
                _header("x-trace-id", "%TRACE_ID%"),
            ],
        },
        "http_filters": _filters(contract, routes, settings),
    }


def _limits(settings: GatewaySettings) -> JsonObject:
    """Limit what one caller may take; 300 s let 32 MiB through a line of 1 Mbps."""
    return {
        "max_request_headers_kb": 32,
        "request_headers_timeout": "10s",
        "request_timeout": "300s",
        "stream_idle_timeout": "300s",
        "drain_timeout": f"{settings.drain_s}s",
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": MEBIBYTE,
            "initial_connection_window_size": 4 * MEBIBYTE,
        },
    }


def _path_rules() -> JsonObject:
    return {
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
    }


def _header(key: str, value: str) -> JsonObject:
    return {
        "header": {"key": key, "value": value},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def _tracing(settings: GatewaySettings) -> JsonObject:
    """Begin a trace with each request, exported or not: its id leads to the logs."""
    exports = bool(settings.otlp_address)
    # Envoy demands an exporter; as nothing is sampled it has nothing to send.
    cluster = COLLECTOR if exports else OWN_GRPC
    share = {"value": settings.trace_ratio * 100 if exports else 0}
    return {
        "random_sampling": share,
        "overall_sampling": share,
        "client_sampling": {"value": 0},
        # In place of the URL with its query, which may hold what a caller typed.
        "custom_tags": [{"tag": "http.url", "value": PATH_ALONE}],
        "provider": {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": f"{ENVOY}.config.trace.v3.OpenTelemetryConfig",
                "service_name": PRODUCT,
                "grpc_service": {"envoy_grpc": {"cluster_name": cluster}, "timeout": "1s"},
            },
        },
    }


def _traces_of_ours() -> JsonObject:
    """Take away a caller's trace: who is outside does not decide what is recorded inside."""
    mutations = [{"remove": name} for name in SAYS_WHAT_TO_TRACE]
    kind = "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": f"{ENVOY}.{kind}", "mutations": mutations},
    }


def _filters(contract: Contract, routes: Routes, settings: GatewaySettings) -> list[JsonObject]:
    per_s = settings.strangers_per_s
    return [
        _filter(
            "envoy.filters.http.header_mutation",
            f"{TYPES}.header_mutation.v3.HeaderMutation",
            mutations={"request_mutations": [_removed(pattern) for pattern in NOT_FOR_SERVICES]},
        ),
        _filter("envoy.filters.http.grpc_web", f"{TYPES}.grpc_web.v3.GrpcWeb"),
        _filter(
            "envoy.filters.http.compressor",
            f"{TYPES}.compressor.v3.Compressor",
            **_compression(),
        ),
        _filter(CORS, f"{TYPES}.cors.v3.Cors"),
        # After CORS, so that a page elsewhere may read the refusal; before all that costs.
        *([limit_of_strangers(contract, routes, per_s)] if per_s else []),
        _filter(CHECK, f"{TYPES}.ext_authz.v3.ExtAuthz", **_check(settings)),
        _filter(
            "envoy.filters.http.grpc_json_transcoder",
            f"{TYPES}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
            **_transcoder(contract, settings),
        ),
        _filter(
            "envoy.filters.http.router", f"{TYPES}.router.v3.Router", suppress_envoy_headers=True
        ),
    ]


def _filter(name: str, kind: str, **config: object) -> JsonObject:
    return {"name": name, "typed_config": {"@type": kind, **config}}


def _compression() -> JsonObject:
    """Compress what is text, for villages have thin lines; not event streams, which may not wait.

    Callers bring their token in a header, never in a cookie: so nobody can have a browser ask for
    what is theirs and learn from its length (BREACH).
    """
    gzip = f"{ENVOY}.extensions.compression.gzip.compressor.v3.Gzip"
    return {
        "response_direction_config": {
            "common_config": {
                "content_type": ["application/json", "text/csv"],
                "min_content_length": COMPRESSED_FROM_BYTES,
            },
        },
        "compressor_library": {
            "name": "gzip",
            "typed_config": {"@type": gzip, "compression_level": "BEST_SPEED", "window_bits": 15},
        },
    }


def _removed(pattern: str) -> JsonObject:
    return {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": pattern}}}}


def _check(settings: GatewaySettings) -> JsonObject:
    """Ask this process about JSON bodies; when it does not answer, nothing passes: 503."""
    uri = {
        "uri": f"http://{settings.pages_address}",
        "cluster": PAGES,
        "timeout": f"{CHECK_S}s",
    }
    return {
        "transport_api_version": "V3",
        "http_service": {
            "server_uri": uri,
            "path_prefix": CHECK_PATH,
            "authorization_response": {"allowed_client_headers": _exactly("content-type")},
        },
        "failure_mode_allow": False,
        "status_on_error": {"code": "ServiceUnavailable"},
        "allowed_headers": _exactly("content-type", *PASSED_ON),
    }


def _exactly(*names: str) -> JsonObject:
    return {"patterns": [{"exact": name} for name in names]}


def _transcoder(contract: Contract, settings: GatewaySettings) -> JsonObject:
    """Return the transcoder's settings.

    A verb that no template knows must not become a part of an id, so that it is answered with
    404; what the transcoder refuses to match goes on to the pages, which say why.
    """
    packed = contract.files.SerializeToString()
    return {
        "proto_descriptor_bin": base64.b64encode(packed).decode(),
        "services": [service.full_name for service in contract.services],
        "print_options": {
            "always_print_primitive_fields": True,
            "stream_sse_style_delimited": True,
        },
        "convert_grpc_status": True,
        "match_unregistered_custom_verb": True,
        "max_request_body_size": settings.max_upload_bytes + AROUND_FILE_BYTES,
        "query_param_unescape_plus": True,
        "max_response_body_size": settings.max_upload_bytes,
    }


def _access_log() -> JsonObject:
    """One JSON object a line; the path without its query, which may hold what a caller typed."""
    fields = {
        "time": "%START_TIME%",
        "process": "envoy",
        "event": "request",
        "method": "%REQ(:METHOD)%",
        "path": PATH_ALONE,
        "protocol": "%PROTOCOL%",
        "code": "%RESPONSE_CODE%",
        "grpc": "%GRPC_STATUS%",
        "flags": "%RESPONSE_FLAGS%",
        "ms": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "upstream": "%UPSTREAM_CLUSTER%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "trace_id": "%TRACE_ID%",
    }
    return {
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": f"{ENVOY}.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"json_format": fields},
        },
    }
