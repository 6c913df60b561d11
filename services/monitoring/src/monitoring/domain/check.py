"""A check as the prober runs it."""

from dataclasses import dataclass

from probes.target import Target

from monitoring.domain.schedule import Rhythm


@dataclass(frozen=True, slots=True)
class ScheduledCheck:
    """What is asked of which point, and how often."""

    point: str
    check_id: str
    target: Target
    interval_s: int

    @property
    def name(self) -> str:
        """The resource's name."""
        return f"{self.point}/checks/{self.check_id}"

    @property
    def rhythm(self) -> Rhythm:
        """When it is asked."""
        return Rhythm.of(self.name, self.interval_s * 1000)
