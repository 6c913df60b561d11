"""The seeded script: when each line is down or strained. Pure: the same seed tells the same story.

Time is cut into windows. What begins in a window follows from the seed, the subject (a line or a
district) and the window's number alone, so the script has neither a beginning nor an end, and can
be asked about any moment without telling what was before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from devstack.network.site import Site
from devstack.network.technologies import kind_of

HOUR_S = 3600.0
WINDOW_S = 6 * HOUR_S
SPREAD = 0.8  # of the lengths' logarithms


@dataclass(frozen=True, slots=True)
class Pace:
    """How often something begins, and how long it lasts."""

    hours_between: float
    typical_s: float
    shortest_s: float = 90.0
    longest_s: float = WINDOW_S / 2
    """Below a window: what covers a moment began in its window or the one before."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A half-open span of seconds since 1970."""

    begin: float
    end: float
    severity: float
    """From 0 to 1."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a line is, until the moment when it may be otherwise."""

    down: bool
    strain: float
    """0: none; 1: as bad as it gets without being down."""
    until: float


AREA_OUTAGES = Pace(hours_between=48, typical_s=1200)
LINE_OUTAGE_S, STRAIN_S = 600.0, 720.0
LEAST_REACH, MOST_REACH = 0.6, 1.0
"""The part of a district's lines that an area outage takes: the others have another way out."""


def health(seed: int, site: Site, at: float) -> Health:
    """Return how the site's line is at `at`, in seconds since 1970."""
    outages, strains = [*_outages(seed, site, at)], [*_strains(seed, site, at)]
    now = [strain.severity for strain in strains if strain.begin <= at < strain.end]
    return Health(
        down=any(outage.begin <= at < outage.end for outage in outages),
        strain=max(now, default=0.0),
        until=_next_change([*outages, *strains], at),
    )


def chances(seed: int, *subject: object) -> Random:
    """Return the dice of one subject: always the same throws."""
    return Random("/".join(map(str, (seed, *subject))))  # noqa: S311 - a simulation, no secret


def episodes(seed: int, subject: str, pace: Pace, at: float) -> Iterator[Episode]:
    """Give what begins in the window of `at` and in the one before."""
    window = int(at // WINDOW_S)
    for number in (window - 1, window):
        yield from _beginning_in(number, chances(seed, subject, number), pace)


def _outages(seed: int, site: Site, at: float) -> Iterator[Episode]:
    pace = Pace(kind_of(site.technology).hours_between_outages, LINE_OUTAGE_S)
    yield from episodes(seed, f"outage {site.address}", pace, at)
    if not site.district:
        return
    for outage in episodes(seed, f"area {site.district}", AREA_OUTAGES, at):
        reach = LEAST_REACH + outage.severity * (MOST_REACH - LEAST_REACH)
        if chances(seed, site.address, outage.begin).random() < reach:
            yield outage


def _strains(seed: int, site: Site, at: float) -> Iterator[Episode]:
    pace = Pace(kind_of(site.technology).hours_between_strains, STRAIN_S)
    return episodes(seed, f"strain {site.address}", pace, at)


def _beginning_in(window: int, dice: Random, pace: Pace) -> Iterator[Episode]:
    begin = window * WINDOW_S
    while (begin := begin + dice.expovariate(1 / (pace.hours_between * HOUR_S))) < (
        (window + 1) * WINDOW_S
    ):
        length_s = pace.typical_s * dice.lognormvariate(0, SPREAD)
        end = begin + min(max(length_s, pace.shortest_s), pace.longest_s)
        yield Episode(begin, end, dice.random())


def _next_change(spans: list[Episode], at: float) -> float:
    borders = [border for span in spans for border in (span.begin, span.end)]
    return min(border for border in (*borders, (at // WINDOW_S + 1) * WINDOW_S) if border > at)
