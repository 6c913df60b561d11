"""Messages in the words of `texts.toml`: one for one outage, one for ten thousand."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from monitoring.domain.notification import PRIORITIES, Kind, Outage, Route

TEXTS = Path(__file__).with_name("texts.toml")
MOST_LINES = 20
"""Of one kind; the others are counted."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One outage of a message, and what is told of it."""

    kind: Kind
    outage: Outage


@dataclass(frozen=True, slots=True)
class Text:
    """A message in words."""

    title: str
    body: str
    is_over: bool = False
    """It tells of nothing but ends."""


def message(pieces: Sequence[Piece], route: Route) -> Text:
    """Return the message that tells all pieces; an outage that is told twice is told once."""
    words = _words()[route.language]
    by_kind = _by_kind(pieces, words["kinds"])
    sections = [_section(words, kind, some, route.zone) for kind, some in by_kind.items()]
    is_over = set(by_kind) == {"RESOLVED"}
    return Text(_title(words, by_kind), "\n\n".join(sections), is_over)


def trial_message(route: str, language: str) -> Text:
    """Return the message of the test button."""
    words = _words()[language]
    return Text(words["test_title"], words["test_body"].format(route=route), is_over=True)


def _by_kind(pieces: Sequence[Piece], kinds: Sequence[Kind]) -> dict[Kind, list[Outage]]:
    """Return the outages of each kind, the most urgent first; kinds in the order of the words."""
    kind_of: dict[str, Piece] = {}
    for kind in kinds:
        for piece in pieces:
            if piece.kind == kind:
                kind_of.setdefault(piece.outage.incident_id, piece)
    found: dict[Kind, list[Outage]] = {}
    for piece in kind_of.values():
        found.setdefault(piece.kind, []).append(piece.outage)
    return {kind: sorted(some, key=_urgency) for kind, some in found.items()}


def _urgency(outage: Outage) -> tuple[int, datetime, str]:
    return PRIORITIES.index(outage.priority), outage.start, outage.incident_id


def _title(words: dict[str, Any], by_kind: dict[Kind, list[Outage]]) -> str:
    (kind, first), *others = by_kind.items()
    if not others and len(first) == 1:
        priority = words["priorities"][first[0].priority]
        said = words["one"].format(priority=priority, title=_subject(words, first[0]))
        return f"{words['kinds'][kind]}. {said}"
    counted = [f"{words['kinds'][kind]} {len(some)}" for kind, some in by_kind.items()]
    count = sum(map(len, by_kind.values()))
    return str(words["many"].format(count=count, kinds="; ".join(counted)))


def _subject(words: dict[str, Any], outage: Outage) -> str:
    return str(words["scopes"][outage.scope].format(title=outage.title))


def _section(words: dict[str, Any], kind: Kind, outages: Sequence[Outage], zone: ZoneInfo) -> str:
    lines = [f"{words['kinds'][kind]}:"]
    lines += [_line(words, kind, outage, zone) for outage in outages[:MOST_LINES]]
    if len(outages) > MOST_LINES:
        lines.append(words["more"].format(count=len(outages) - MOST_LINES))
    return "\n".join(lines)


def _line(words: dict[str, Any], kind: Kind, outage: Outage, zone: ZoneInfo) -> str:
    form = "line_over" if kind == "RESOLVED" else "line"
    end = outage.end or outage.start
    return str(
        words[form].format(
            priority=words["priorities"][outage.priority],
            incident=outage.incident_id,
            title=_subject(words, outage),
            points=outage.point_count,
            start=outage.start.astimezone(zone).strftime(words["time"]),
            end=end.astimezone(zone).strftime(words["time"]),
        )
    )


@cache
def _words() -> dict[str, dict[str, Any]]:
    return tomllib.loads(TEXTS.read_text(encoding="utf-8"))
