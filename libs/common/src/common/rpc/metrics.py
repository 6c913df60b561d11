"""The Prometheus metrics of every gRPC server: rate, errors and duration per method."""

from prometheus_client import Counter, Gauge, Histogram

LABELS = ("service", "method")

HANDLED = Counter("grpc_server_handled_total", "Calls answered, by their code.", (*LABELS, "code"))
SECONDS = Histogram(
    "grpc_server_handling_seconds",
    "How long a call took in the server, in seconds.",
    LABELS,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120),
)
IN_FLIGHT = Gauge("grpc_server_in_flight", "Calls being answered now.", LABELS)


class MethodMetrics:
    """The metrics of one method, looked up once."""

    def __init__(self, service: str, method: str) -> None:
        self._seconds = SECONDS.labels(service, method)
        self._in_flight = IN_FLIGHT.labels(service, method)
        self._labels = (service, method)
        self._handled = {code: self._counter(code) for code in ("OK",)}

    def begin(self) -> None:
        """Count a call that begins."""
        self._in_flight.inc()

    def end(self, code: str, seconds: float) -> None:
        """Count a call that ended with `code` after `seconds`."""
        self._in_flight.dec()
        self._seconds.observe(seconds)
        if code not in self._handled:
            self._handled[code] = self._counter(code)
        self._handled[code].inc()

    def _counter(self, code: str) -> Counter:
        return HANDLED.labels(*self._labels, code)
