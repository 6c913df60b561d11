"""What Prometheus scrapes: this process's metrics and Envoy's, under Envoy's own names."""

from collections.abc import Awaitable, Callable

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_CLASS = "(rq_[1-5]xx|rq_time|rq_total|rq_active|rq_timeout|rq_rx_reset|rq_tx_reset"
_DOWNSTREAM = rf"downstream_{_CLASS}|rq_overload_close|cx_active|cx_total|cx_overload_reject)"
_UPSTREAM = (
    rf"upstream_{_CLASS}|rq_retry|rq_pending_overflow|cx_active|cx_total|cx_connect_fail)"
    r"|membership_(healthy|total)|health_check\.(attempt|failure)"
    r"|ssl\.(handshake|connection_error|fail_verify_.*)"
    r"|update_(success|failure)"
)
STATS = (
    rf"^(http\.public\.{_DOWNSTREAM}|cluster\.[^.]+\.({_UPSTREAM})"
    r"|strangers\.http_local_rate_limit\.rate_limited"
    r"|server\.(live|uptime|days_until_first_cert_expiring|memory_allocated))$"
)
"""The statistics of Envoy that are shown. Their labels are the services and the classes of codes,
so their number does not grow with callers, paths or time."""


def metrics_page(envoy: Callable[[str], Awaitable[str]]) -> Starlette:
    """Return the page `/metrics`; `envoy` gives the statistics that fit an expression, as text."""

    async def metrics(_: Request) -> Response:
        text = generate_latest().decode() + await envoy(STATS)
        return Response(text, media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return Starlette(routes=[Route("/metrics", metrics)])
