"""`make outage`: breaks lines of the running stack's simulated network, lists and ends outages."""

import difflib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from devstack.errors import OutageRefused
from devstack.network.orders import Order, Orders
from devstack.network.site import Site
from devstack.network.sites import read_sites
from devstack.output import say
from devstack.state import StateFolder, require_ready

SHORTEST_MIN, LONGEST_MIN = 0.1, 1440.0
USUAL_MIN = "10"
NEAR_SHOWN, SHOWN = 5, 20
REGION = "SMARTCITY_NETWORK_REGION"
"""In the stack's `addresses.json` while it has the network."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was told; each part as it was written, "" when it was not."""

    action: str = "begin"
    """`begin`, `list` or `end`."""
    point: str = ""
    district: str = ""
    minutes: str = ""


def outage(state: StateFolder, asked: Asked, clock: Callable[[], float] = time.time) -> None:
    """Begin, list or end outages of the stack that runs on the state folder.

    Raises:
        StackNotRunning: There is none, or it is still starting.
        OutageRefused: It has no simulated network, or what was asked for cannot be.
    """
    require_ready(state)
    region = json.loads(state.addresses.read_text()).get(REGION)
    if region is None:
        raise OutageRefused(
            "the stack runs without the simulated network: start it with SMARTCITY_STACK_NETWORK=on"
        )
    folder = state.of("network")
    command = Command(read_sites(folder), Orders(folder), clock())
    match asked.action:
        case "list":
            say(command.list())
        case "end":
            say(command.end(asked))
        case _:
            say(f"{command.begin(asked)}\n{how_to_watch(state, region)}")


@dataclass(frozen=True, slots=True)
class Command:
    """The command, with what it needs to know."""

    sites: Sequence[Site]
    orders: Orders
    now: float

    def begin(self, asked: Asked) -> str:
        """Order an outage; return what it hits and until when.

        Raises:
            OutageRefused: Point, district or minutes are wrong.
        """
        order = self._order(asked, self.now + 60 * minutes_of(asked.minutes or USUAL_MIN))
        self.orders.give(order)
        return f"down: {self._told(order)}"

    def list(self) -> str:
        """Return the outages that were ordered and are not over."""
        known = self.orders.now(self.now)
        return "\n".join(self._told(order) for order in known) or "no outage is ordered"

    def end(self, asked: Asked) -> str:
        """End the point's or the district's outages, or all that were ordered; return which.

        Raises:
            OutageRefused: Point or district are wrong, or nothing of it is ordered.
        """
        known = self.orders.now(self.now)
        if asked.point or asked.district:
            wanted = self._order(asked, self.now)
            place = (wanted.point, wanted.district)
            known = tuple(one for one in known if (one.point, one.district) == place)
        if not known:
            raise OutageRefused(f"nothing to end; ordered are now: {self.list()}")
        for order in known:
            self.orders.end(order)
        return "\n".join(f"ended: {self._told(order)}" for order in known)

    def _order(self, asked: Asked, until: float) -> Order:
        if bool(asked.point) == bool(asked.district):
            raise OutageRefused(
                "say which: POINT=<its id> or DISTRICT=<its code or name>, one of the two"
            )
        site = self._at(asked.point) if asked.point else self._in(asked.district)
        point = site.point if asked.point else ""
        return Order(id=str(uuid.uuid4()), point=point, district=site.district, until=until)

    def _at(self, point: str) -> Site:
        wanted = point.rpartition("/")[2].upper()
        for site in self.sites:
            if site.point.upper() == wanted:
                return site
        raise OutageRefused(
            f"no line leads to a point {point}; {near(wanted, [one.point for one in self.sites])}"
        )

    def _in(self, district: str) -> Site:
        wanted = district.rpartition("/")[2].casefold()
        for site in self.sites:
            if site.district and wanted in (site.district, site.district_name.casefold()):
                return site
        known = {f"{one.district} ({one.district_name})" for one in self.sites if one.district}
        raise OutageRefused(f"no line leads to a district {district}; {allowed(sorted(known))}")

    def _told(self, order: Order) -> str:
        hit = [site for site in self.sites if order.hits(site)]
        if order.point:
            what = f"{order.point} ({hit[0].display_name})" if hit else order.point
        else:
            name = hit[0].district_name if hit else ""
            what = f"{order.district} ({name}), {len(hit)} points"
        end = datetime.fromtimestamp(order.until, UTC).astimezone()
        left_min = (order.until - self.now) / 60
        return f"{what} until {end:%H:%M:%S %Z}, {left_min:.1f} minutes"


def minutes_of(text: str) -> float:
    """Return the minutes.

    Raises:
        OutageRefused: It is no number in the bounds.
    """
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not SHORTEST_MIN <= minutes <= LONGEST_MIN:
        bounds = f"{SHORTEST_MIN:g} to {LONGEST_MIN:g}"
        raise OutageRefused(f"MINUTES={text}: must be a number from {bounds}")
    return minutes


def near(wanted: str, known: Sequence[str]) -> str:
    """Return which of the known ids are meant, perhaps."""
    found = difflib.get_close_matches(wanted, known, NEAR_SHOWN)
    return f"near are: {', '.join(found)}" if found else allowed(known)


def allowed(known: Sequence[str]) -> str:
    """Return what there is, or its beginning."""
    if not known:
        return "none has one yet: lines are laid after the first start (logs/network.log)"
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"there are: {', '.join(known[:SHOWN])}{more}"


def how_to_watch(state: StateFolder, region: str) -> str:
    """Return the commands that show what comes of it."""
    there, statuses = f"DATA={state.path}", f"regions/{region}/statuses:watch"
    return (
        "seen within seconds in:\n"
        f'  curl -N --oauth2-bearer "$(make -s token ROLE=viewer REGION={region} {there})" '
        f"{state.ready.read_text()}/v1/{statuses}\n"
        f"ended before its time by: make outage ARGS=end {there}"
    )
