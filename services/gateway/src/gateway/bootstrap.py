"""Envoy's bootstrap, rendered from the settings and the contract."""

from typing import Any

from gateway.contract import Contract
from gateway.edge_listener import ENVOY, public_listener, socket_address
from gateway.edge_routes import OWN_GRPC, PAGES
from gateway.routes import Routes
from gateway.settings import GatewaySettings

JsonObject = dict[str, Any]
MAX_CONNECTIONS = 10_000


def bootstrap(contract: Contract, routes: Routes, settings: GatewaySettings) -> JsonObject:
    """Return the whole configuration of one Envoy."""
    return {
        "node": {"id": "gateway", "cluster": "smartcity"},
        "admin": {"address": socket_address(settings.envoy_admin_address)},
        "static_resources": {
            "listeners": [public_listener(contract, routes, settings)],
            "clusters": _clusters(settings),
        },
        "overload_manager": _overload(),
    }


def _clusters(settings: GatewaySettings) -> list[JsonObject]:
    servers = {**settings.upstreams, OWN_GRPC: settings.grpc_address}
    return [
        *(_cluster(name, address, _http2()) for name, address in servers.items()),
        _cluster(PAGES, settings.pages_address, {"http_protocol_options": {}}),
    ]


def _cluster(name: str, address: str, protocol: JsonObject) -> JsonObject:
    options = "extensions.upstreams.http.v3.HttpProtocolOptions"
    limits = {"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 4096}
    endpoint = {"endpoint": {"address": socket_address(address)}}
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [limits]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{ENVOY}.{options}",
                "explicit_http_config": protocol,
            }
        },
    }


def _http2() -> JsonObject:
    """HTTP/2 that notices a peer which vanished without a word."""
    keepalive = {"interval": "30s", "timeout": "5s"}
    return {"http2_protocol_options": {"connection_keepalive": keepalive}}


def _overload() -> JsonObject:
    monitor = "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig"
    return {
        "refresh_interval": "1s",
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": f"{ENVOY}.{monitor}",
                    "max_active_downstream_connections": MAX_CONNECTIONS,
                },
            }
        ],
    }
