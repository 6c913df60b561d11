"""When the certificates end that HTTP checks are shown: the first of each region, as a metric."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from common.names import region_of
from common.telemetry.gauge_table import GaugeTable

from monitoring.domain.check import ScheduledCheck

EXPIRY = GaugeTable(
    "smartcity_probed_certificate_expiry_seconds",
    "When the first of the certificates ends that this prober's checks saw, in unix time.",
    ("region",),
)


@dataclass(slots=True)
class SeenCertificates:
    """The certificates that the checks of one prober saw last."""

    _ends: dict[str, datetime] = field(default_factory=dict)

    def note(self, check: ScheduledCheck, end: datetime | None) -> None:
        """Note what a check saw; one that saw none leaves what it saw before."""
        if end is not None and self._ends.get(check.name) != end:
            self._ends[check.name] = end
            self._show()

    def keep(self, checks: Collection[ScheduledCheck]) -> None:
        """Forget what other checks saw than these."""
        names = {check.name for check in checks}
        self._ends = {name: end for name, end in self._ends.items() if name in names}
        self._show()

    def _show(self) -> None:
        first: dict[tuple[str, ...], float] = {}
        for name, end in self._ends.items():
            key = (region_of(name),)
            first[key] = min(first.get(key, end.timestamp()), end.timestamp())
        EXPIRY.replace(first)
