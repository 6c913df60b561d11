"""The metrics of incidents that begin."""

from collections.abc import Iterable
from itertools import product

from prometheus_client import Counter

from monitoring.domain.incident import Incident, Scope

OPENED = Counter(
    "smartcity_incidents_opened_total",
    "Incidents that the engine has opened: of a point, each outage; of a district or a provider.",
    ("region", "scope"),
)


def show_regions(regions: Iterable[str]) -> None:
    """Show the counters of these regions from 0 on."""
    for region, scope in product(regions, Scope):
        OPENED.labels(region, scope.value)


def count_opened(changes: Iterable[tuple[Incident | None, Incident]]) -> None:
    """Count the new ones among changes that are committed."""
    for before, after in changes:
        if before is None:
            OPENED.labels(after.region, after.scope.value).inc()
