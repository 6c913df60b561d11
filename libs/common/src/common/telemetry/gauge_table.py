"""Gauges that are replaced all at once: what the newest look has not found is shown no more."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class GaugeTable(Collector):
    """A gauge whose labelled values one query gives together.

    A scrape, which comes in a thread of its own, sees one look's values or the next one's.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._values: Mapping[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def replace(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Show these values, by their labels, and no others."""
        self._values = dict(values)

    def describe(self) -> list[Metric]:
        """Return the name, for the registry."""
        return [self._family()]

    def collect(self) -> Iterator[Metric]:
        """Yield what is shown."""
        family = self._family()
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
