"""How many requests without a token one address may send: Envoy's own limit, in this one process.

Whoever brings a token to the API is not counted: whether it is right, the services know. This
process does not, so that for its pages none helps. Who signs what is sent is not counted, since an
agent that comes back has days of measurements to tell, nor who asks whether this process is well: a
refused probe would end it.
"""

import re
from collections.abc import Iterator
from typing import Any

from common.auth.grants import is_signed
from common.auth.permissions import permission_of

from gateway.contract import PACKAGE, Contract, service_of
from gateway.edge_routes import TYPES
from gateway.routes import Routes

JsonObject = dict[str, Any]
LIMIT = "envoy.filters.http.local_ratelimit"
NAME = "strangers"
BURST_S = 2
"""For how long an address that was quiet may send twice the rate."""
MOST_ADDRESSES = 10_000
"""Of so many the last requests are remembered; the one that was quiet the longest is forgotten."""
PROBED = ("/healthz", "/readyz/edge")
API = ("/v1/", f"/{PACKAGE}.")
BRINGS_TOKEN = {
    "name": "authorization",
    "string_match": {"prefix": "bearer ", "ignore_case": True},
}
BRINGS_NONE = {**BRINGS_TOKEN, "treat_missing_header_as_empty": True, "invert_match": True}
ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def limit_of_strangers(contract: Contract, routes: Routes, per_s: int) -> JsonObject:
    """Return Envoy's filter; one address may send `per_s` requests a second for ever.

    An address is one of IPv4, or a site's network of IPv6. Behind another proxy it is the proxy's.
    """
    bucket = {"max_tokens": BURST_S * per_s, "tokens_per_fill": per_s, "fill_interval": "1s"}
    no_probe = [_is_not(re.escape(path)) for path in PROBED]
    unsigned = [_is_not(path) for path in _signed(contract, routes)]
    each = [{"key": "header_match", "value": NAME}, {"key": "masked_remote_address"}]
    return {
        "name": LIMIT,
        "typed_config": {
            "@type": f"{TYPES}.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": NAME,
            "filter_enabled": ALWAYS,
            "filter_enforced": ALWAYS,
            "rate_limited_as_resource_exhausted": True,
            "max_dynamic_descriptors": MOST_ADDRESSES,
            "rate_limits": [
                _counted(BRINGS_NONE, *no_probe, *unsigned),
                _counted(BRINGS_TOKEN, *no_probe, *map(_is_not_below, API)),
            ],
            "descriptors": [{"entries": each, "token_bucket": bucket}],
        },
    }


def _counted(*headers: JsonObject) -> JsonObject:
    """Count a request whose headers fit all these for its address."""
    stranger = {"descriptor_value": NAME, "headers": list(headers)}
    address = {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}
    return {"actions": [{"header_value_match": stranger}, {"masked_remote_address": address}]}


def _is_not_below(prefix: str) -> JsonObject:
    return {"name": ":path", "string_match": {"prefix": prefix}, "invert_match": True}


def _is_not(path: str) -> JsonObject:
    """Fit every path but those of an expression, whatever the query."""
    matched = {"safe_regex": {"regex": rf"{path}(?:\?.*)?"}}
    return {"name": ":path", "string_match": matched, "invert_match": True}


def _signed(contract: Contract, routes: Routes) -> Iterator[str]:
    """Yield the paths of the methods whose requests are signed, as gRPC and as HTTP."""
    paths = [f"/{service_of(one).full_name}/{one.name}" for one in contract.methods]
    signed = {path for path in paths if is_signed(permission_of(path))}
    yield from map(re.escape, sorted(signed))
    for rule in routes.rules:
        if f"/{service_of(rule.rpc).full_name}/{rule.rpc.name}" in signed:
            yield rule.pattern.pattern
