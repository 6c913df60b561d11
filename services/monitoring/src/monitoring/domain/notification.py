"""Who is told of which outage, and when: decided at the moment at which it is due."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from common.zones import zone_of

PRIORITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
"""The most urgent first."""
LOOK_AGAIN = timedelta(seconds=15)
"""How long an end waits for the message that told the begin."""

Kind: TypeAlias = Literal["OPENED", "ESCALATED", "REPEATED", "RESOLVED"]


@dataclass(frozen=True, slots=True)
class Outage:
    """What the last event told of an incident."""

    incident_id: str
    scope: str
    title: str
    state: str
    priority: str
    start: datetime
    end: datetime | None = None
    district_code: str = ""
    provider_id: str = ""
    parent_id: str = ""
    point_count: int = 1
    reopen_count: int = 0


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of every day, in the region's zone, in which only what is urgent is told."""

    start: time
    end: time
    urgent_priority: str

    def ends(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the quiet hours that `now` lies in end; None outside of them."""
        local = now.astimezone(zone)
        clock = local.time()
        over_midnight = self.end <= self.start
        after, before = self.start <= clock, clock < self.end
        if not (after or before if over_midnight else after and before):
            return None
        day = local.date()
        if over_midnight and after:
            day += timedelta(days=1)
        return datetime.combine(day, self.end, zone).astimezone(now.tzinfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The rules of a notification route, without its targets."""

    region: str
    route_id: str
    paused: bool = False
    scopes: Collection[str] = ()
    least_priority: str | None = None
    district_codes: Collection[str] = ()
    provider_ids: Collection[str] = ()
    language: str = "id"
    quiet: Quiet | None = None
    group_wait: timedelta = timedelta(seconds=30)
    repeat_interval: timedelta = timedelta(0)
    escalate_to: str = ""
    escalate_after: timedelta = timedelta(0)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the region."""
        return zone_of(self.region)

    def matches(self, outage: Outage) -> bool:
        """Tell whether an outage is of those that the route is told of."""
        return (
            (not self.scopes or outage.scope in self.scopes)
            and is_as_urgent(outage.priority, self.least_priority)
            and (not self.district_codes or outage.district_code in self.district_codes)
            and (not self.provider_ids or outage.provider_id in self.provider_ids)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What a route was told of one outage before."""

    begin: datetime | None = None
    """When it was last told that the outage began or lasts."""
    end: datetime | None = None
    """When it was last told that the outage is over."""
    under_way: bool = False
    """A message that tells the begin is being sent or tried again."""


@dataclass(frozen=True, slots=True)
class Tell:
    """It is told now."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """It is not told."""

    why: str


@dataclass(frozen=True, slots=True)
class Later:
    """It is looked at again."""

    until: datetime


Verdict: TypeAlias = Tell | Suppress | Later
NEVER_TOLD = Told()


def is_as_urgent(priority: str, least: str | None) -> bool:
    """Tell whether a priority is `least` or above; any is when there is no `least`."""
    if least is None:
        return True
    return priority in PRIORITIES and PRIORITIES.index(priority) <= PRIORITIES.index(least)


def decide(kind: Kind, outage: Outage, route: Route, told: Told, now: datetime) -> Verdict:
    """Return whether a delivery that is due is told."""
    if route.paused:
        return Suppress("the route is paused")
    if outage.parent_id:
        return Suppress(f"the incident is a part of {outage.parent_id}")
    decide_kind = _decide_end if kind == "RESOLVED" else _decide_begin
    verdict = decide_kind(kind, outage, route, told, now)
    return _unless_quiet(verdict, outage, route, now)


def _unless_quiet(verdict: Verdict, outage: Outage, route: Route, now: datetime) -> Verdict:
    quiet = route.quiet
    if not isinstance(verdict, Tell) or quiet is None:
        return verdict
    ends = quiet.ends(now, route.zone)
    if ends is None or is_as_urgent(outage.priority, quiet.urgent_priority):
        return verdict
    return Later(ends)


def _decide_begin(kind: Kind, outage: Outage, route: Route, told: Told, now: datetime) -> Verdict:
    if outage.state == "RESOLVED":
        return Suppress("the incident is over")
    if outage.state == "ACKNOWLEDGED" and kind != "OPENED":
        return Suppress("somebody looks after the incident")
    if kind == "OPENED" and not route.matches(outage):
        return Suppress("the incident is none of the route's any more")
    if kind != "ESCALATED" and told.begin and now < told.begin + route.repeat_interval:
        return Later(told.begin + route.repeat_interval)
    return Tell()


def _decide_end(_: Kind, outage: Outage, __: Route, told: Told, now: datetime) -> Verdict:
    if outage.state != "RESOLVED":
        return Suppress("the incident began again")
    if told.under_way:
        return Later(now + LOOK_AGAIN)
    if told.begin is None:
        return Suppress("nobody was told that the incident began")
    if told.end and told.end >= told.begin:
        return Suppress("the end has been told")
    return Tell()
