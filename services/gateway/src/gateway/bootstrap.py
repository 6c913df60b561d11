"""Envoy's bootstrap, rendered from the settings and the contract."""

from collections.abc import Sequence
from typing import Any

from gateway.contract import Contract
from gateway.edge_listener import ENVOY, public_listener, socket_address
from gateway.edge_routes import COLLECTOR, OWN_GRPC, PAGES
from gateway.routes import Routes
from gateway.settings import GatewaySettings
from gateway.upstream_tls import transport_socket

JsonObject = dict[str, Any]
MAX_CONNECTIONS = 10_000
REFRESH_S = 2
"""How often the names of services are asked for their replicas; Kubernetes lets 5 s pass."""


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
    http1: JsonObject = {"http_protocol_options": {}}
    collector = (settings.otlp_address,) if settings.otlp_address else ()
    return [
        *(_cluster(COLLECTOR, (address,), _http2()) for address in collector),
        *(_replicated(name, addresses, settings) for name, addresses in settings.upstreams.items()),
        _cluster(OWN_GRPC, (settings.grpc_address,), _http2()),
        _cluster(PAGES, (settings.pages_address,), http1),
    ]


def _replicated(name: str, addresses: Sequence[str], settings: GatewaySettings) -> JsonObject:
    """Spread calls over the replicas that say they serve; over all when none does.

    A name may stand for several addresses, as that of a headless service of Kubernetes does. One
    that the name no longer leads to is kept as long as it says SERVING, and left when it does not.
    """
    tls = {"transport_socket": transport_socket(addresses, settings.state_folder)}
    return {
        **_cluster(name, addresses, _http2()),
        **(tls if settings.tls_folder else {}),
        "dns_refresh_rate": f"{REFRESH_S}s",
        "dns_failure_refresh_rate": {"base_interval": "0.5s", "max_interval": f"{REFRESH_S}s"},
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {"healthy_panic_threshold": {"value": 1}},
        "health_checks": [
            {
                "timeout": "1s",
                "interval": "0.5s",
                "no_traffic_interval": "0.5s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
    }


def _cluster(name: str, addresses: Sequence[str], protocol: JsonObject) -> JsonObject:
    options = "extensions.upstreams.http.v3.HttpProtocolOptions"
    limits = {"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 4096}
    endpoints = [{"endpoint": {"address": socket_address(address)}} for address in addresses]
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
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
