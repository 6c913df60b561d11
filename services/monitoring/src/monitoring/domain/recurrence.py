"""When a maintenance window is in force: once, or as an iCalendar rule repeats it.

Of RFC 5545's rules only those are taken that have an occurrence in every period and an end, for
what looks for the next occurrence of any other rule may look until the year 9999.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, pairwise

from dateutil.rrule import rrulestr

MOST_OCCURRENCES = 1000
MOST_CHARACTERS = 200
MOST_AHEAD = timedelta(days=731)
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=31)
LAST_DAY_OF_ALL_MONTHS = 28

WEEKDAY = "(MO|TU|WE|TH|FR|SA|SU)"
DAY = "-?([1-9]|1[0-9]|2[0-8])"
NTH = "-?[1-4]"
ALWAYS = {
    "FREQ": "DAILY|WEEKLY|MONTHLY",
    "INTERVAL": "[1-9][0-9]?",
    "COUNT": "[1-9][0-9]{0,2}|1000",
    "UNTIL": "[0-9]{8}T[0-9]{6}Z",
    "WKST": WEEKDAY,
}
BY_FREQUENCY: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "DAILY": ({},),
    "WEEKLY": ({"BYDAY": WEEKDAY},),
    "MONTHLY": (
        {"BYMONTHDAY": DAY},
        {"BYDAY": f"({NTH})?{WEEKDAY}"},
        {"BYDAY": WEEKDAY, "BYSETPOS": NTH},
    ),
}
"""The parts that may stand together, and what each entry of their lists must be."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open span of time, UTC."""

    start: datetime
    end: datetime


class RuleRefused(Exception):
    """The rule is none, or none of those that are taken; the text says why and what is."""


def occurrences(first: Span, rule: str, zone: tzinfo) -> list[Span]:
    """Return all occurrences of a window, in order; one without a rule has its first alone.

    They begin at the same hour in `zone`.

    Raises:
        RuleRefused: The rule is not taken, or does not fit the first occurrence.
    """
    if not rule:
        return [first]
    parts = _parts(rule)
    local = first.start.astimezone(zone)
    _refuse_gaps(parts, local)
    length = first.end - first.start
    try:
        starts = islice(rrulestr(rule, dtstart=local), MOST_OCCURRENCES + 1)
        found = [Span(one.astimezone(UTC), one.astimezone(UTC) + length) for one in starts]
    except (ValueError, OverflowError) as error:
        raise RuleRefused(f"is no rule for a calendar: {error}") from error
    _refuse_unfit(found, first, local)
    return found


def _parts(rule: str) -> Mapping[str, str]:
    if len(rule) > MOST_CHARACTERS:
        raise RuleRefused(f"has {len(rule)} characters; at most {MOST_CHARACTERS} are allowed")
    pairs = [pair.partition("=")[::2] for pair in rule.split(";")]
    parts = dict(pairs)
    if len(parts) < len(pairs):
        raise RuleRefused("has a part twice")
    for name, pattern in ALWAYS.items():
        if name in parts and not re.fullmatch(pattern, parts[name], re.ASCII):
            raise RuleRefused(f"has {name}={parts[name]}; allowed is {name}={pattern}")
    if "FREQ" not in parts or ("COUNT" in parts) == ("UNTIL" in parts):
        raise RuleRefused("must have FREQ, and either COUNT or UNTIL: no window is without end")
    return parts


def _refuse_gaps(parts: Mapping[str, str], local: datetime) -> None:
    """Refuse a rule that may have a period without an occurrence."""
    own = {name: value for name, value in parts.items() if name not in ALWAYS}
    allowed = BY_FREQUENCY[parts["FREQ"]]
    if own and not any(_fits(own, forms) for forms in allowed):
        listed = " or ".join(
            " with ".join(f"{name}={form}" for name, form in forms.items()) for forms in allowed
        )
        sentence = f"no other parts than {listed}" if listed else "no other parts"
        raise RuleRefused(f"has {_shown(own)}; FREQ={parts['FREQ']} takes {sentence}")
    if parts["FREQ"] == "MONTHLY" and not own and local.day > LAST_DAY_OF_ALL_MONTHS:
        raise RuleRefused(f"falls on day {local.day}, which not all months have; try BYMONTHDAY=-1")


def _fits(own: Mapping[str, str], forms: Mapping[str, str]) -> bool:
    return own.keys() == forms.keys() and all(
        re.fullmatch(forms[name], entry, re.ASCII)
        for name, value in own.items()
        for entry in value.split(",")
    )


def _shown(own: Mapping[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in own.items())


def _refuse_unfit(found: list[Span], first: Span, local: datetime) -> None:
    if not found or found[0] != first:
        start = local.isoformat(timespec="seconds")
        raise RuleRefused(f"has no occurrence at the window's own begin, {start}")
    if len(found) > MOST_OCCURRENCES:
        raise RuleRefused(f"has more than {MOST_OCCURRENCES} occurrences")
    for one, other in pairwise(found):
        if other.start < one.end:
            start = other.start.astimezone(local.tzinfo).isoformat(timespec="seconds")
            raise RuleRefused(f"begins again at {start}, before the occurrence before it has ended")
