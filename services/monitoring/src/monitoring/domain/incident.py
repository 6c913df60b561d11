"""An incident and what may become of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """What an incident is about."""

    POINT = "POINT"
    DISTRICT = "DISTRICT"
    PROVIDER = "PROVIDER"


class Stage(StrEnum):
    """Where an incident is in its life."""

    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as it is stored; times in UTC, the outage half-open."""

    region: str
    incident_id: str
    scope: Scope
    title: str
    point_id: str | None = None
    district: str | None = None
    provider: str | None = None
    parent_id: str | None = None
    stage: Stage = Stage.OPEN
    score: float = 0.0
    """How urgent it is: the sum over the points that are down in it, by `priority`."""
    start: datetime
    end: datetime | None = None
    point_count: int = 1
    down_count: int = 1
    people: int = 0
    """Served by the points that are or were down in it, as far as known."""
    people_down: int = 0
    """Served by those of them that are down now."""
    people_unknown: int = 0
    """How many of the points serve nobody knows how many."""
    own_people: int = 0
    """Of a point's incident: served by that point alone, without those behind it."""
    own_unknown: int = 0
    """1 when nobody knows how many it serves."""
    own_score: float = 0.0
    """How urgent its outage is by itself."""
    flapping: bool = False
    reopen_count: int = 0
    assignee: str = ""
    cause: str | None = None
    liability: str | None = None
    by_hand: bool = False
    """A person ended it: the engine changes it no more."""
    version: int = 1
    create_time: datetime
    update_time: datetime

    @property
    def lasts(self) -> bool:
        """Whether it is not over."""
        return self.stage is not Stage.RESOLVED

    def spanning(self, start: datetime, end: datetime | None) -> "Incident":
        """Return it with another span: over when that has an end, open again when it has none."""
        if end is not None:
            return replace(self, start=start, end=end, stage=Stage.RESOLVED)
        if self.lasts:
            return replace(self, start=start)
        count = self.reopen_count + 1
        return replace(self, start=start, end=None, stage=Stage.OPEN, reopen_count=count)

    def over(self, start: datetime, end: datetime) -> "Incident":
        """Return it as one that is over, in which nobody is down any more."""
        return replace(self.spanning(start, end), down_count=0, people_down=0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of an incident's timeline."""

    incident_id: str
    action: str
    text: str
    attachment_id: str | None = None
    """The file that it is about."""
