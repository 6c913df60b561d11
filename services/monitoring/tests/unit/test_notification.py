"""Who is told of which outage, and when."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, get_args

import pytest
from common.zones import zone_of
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.notification import (
    LOOK_AGAIN,
    NEVER_TOLD,
    PRIORITIES,
    Kind,
    Later,
    Outage,
    Quiet,
    Route,
    Suppress,
    Tell,
    Told,
    decide,
    is_as_urgent,
)
from monitoring.domain.retries import FIRST, LONGEST, delay_after
from monitoring.domain.wording import MOST_LINES, Piece, message
from monitoring.sending.addresses import masked, wrong_with
from monitoring.sending.networks import is_allowed, literal

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
PASER = zone_of("64.01")
ROUTE = Route(region="64.01", route_id="desk", repeat_interval=timedelta(hours=1))
OPEN = Outage("2026-0001", "POINT", "Titik 1 is down", "OPEN", "HIGH", NOON)
OVER = replace(OPEN, state="RESOLVED", end=NOON + timedelta(hours=1))
KINDS = get_args(Kind)

outages = st.builds(
    Outage,
    incident_id=st.sampled_from(["2026-0001", "2026-0002", "2026-0003"]),
    scope=st.sampled_from(["POINT", "DISTRICT", "PROVIDER"]),
    title=st.text(max_size=20),
    state=st.sampled_from(["OPEN", "ACKNOWLEDGED", "RESOLVED"]),
    priority=st.sampled_from(PRIORITIES),
    start=st.just(NOON),
    parent_id=st.sampled_from(["", "2026-0009"]),
)
moments = st.integers(0, 86_400 * 3).map(lambda s: NOON + timedelta(seconds=s))
tolds = st.builds(Told, st.none() | moments, st.none() | moments, st.booleans())
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
quiets = st.builds(Quiet, clocks, clocks, st.sampled_from(PRIORITIES)).filter(
    lambda quiet: quiet.start != quiet.end
)


routes = st.builds(replace, st.just(ROUTE), quiet=st.none() | quiets, paused=st.booleans())


@given(st.sampled_from(KINDS), outages, routes, tolds, moments)
def test_no_decision_tells_what_must_not_be_told(
    kind: Any, outage: Outage, route: Route, told: Told, now: datetime
) -> None:
    quiet = route.quiet
    verdict = decide(kind, outage, route, told, now)
    if isinstance(verdict, Later):
        assert verdict.until > now
    if isinstance(verdict, Tell):
        assert not outage.parent_id
        assert not route.paused
        assert (kind == "RESOLVED") == (outage.state == "RESOLVED")
        assert (
            quiet is None
            or quiet.ends(now, PASER) is None
            or is_as_urgent(outage.priority, quiet.urgent_priority)
        )


@given(quiets, moments)
def test_quiet_hours_end_at_their_clock_within_a_day(quiet: Quiet, now: datetime) -> None:
    ends = quiet.ends(now, PASER)
    if ends is None:
        clock = now.astimezone(PASER).time()
        assert quiet.end <= clock < quiet.start or (
            quiet.start < quiet.end and not quiet.start <= clock < quiet.end
        )
    else:
        assert now < ends <= now + timedelta(days=1)
        assert ends.astimezone(PASER).time() == quiet.end
        assert quiet.ends(ends, PASER) is None


@pytest.mark.parametrize(
    ("kind", "outage", "told", "verdict"),
    [
        ("OPENED", OPEN, NEVER_TOLD, Tell()),
        ("OPENED", replace(OPEN, state="ACKNOWLEDGED"), NEVER_TOLD, Tell()),
        ("OPENED", OVER, NEVER_TOLD, Suppress("the incident is over")),
        ("OPENED", OPEN, Told(NOON, NOON), Later(NOON + timedelta(hours=1))),
        ("ESCALATED", OPEN, Told(NOON), Tell()),
        (
            "ESCALATED",
            replace(OPEN, state="ACKNOWLEDGED"),
            NEVER_TOLD,
            Suppress("somebody looks after the incident"),
        ),
        ("REPEATED", OPEN, Told(NOON - timedelta(hours=1)), Tell()),
        ("RESOLVED", OPEN, Told(NOON), Suppress("the incident began again")),
        ("RESOLVED", OVER, NEVER_TOLD, Suppress("nobody was told that the incident began")),
        ("RESOLVED", OVER, Told(NOON, NOON), Suppress("the end has been told")),
        ("RESOLVED", OVER, Told(NOON), Tell()),
        ("RESOLVED", OVER, Told(under_way=True), Later(NOON + LOOK_AGAIN)),
    ],
)
def test_a_delivery_is_told_suppressed_or_put_off(
    kind: Any, outage: Outage, told: Told, verdict: object
) -> None:
    assert decide(kind, outage, ROUTE, told, NOON) == verdict


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_delays_grow_to_the_longest_and_are_spread(attempts: int, chance: float) -> None:
    delay = delay_after(attempts, chance)
    assert FIRST / 2 <= delay <= LONGEST
    assert delay <= delay_after(attempts + 1, 1.0)


@given(st.lists(st.builds(Piece, st.sampled_from(KINDS), outages), min_size=1, max_size=40))
def test_a_message_names_every_outage_once(pieces: list[Piece]) -> None:
    for language in ("id", "en"):
        text = message(pieces, replace(ROUTE, language=language))
        lines = [line for line in text.body.splitlines() if line.startswith("- [")]
        named = {piece.outage.incident_id for piece in pieces}
        assert len(lines) == len(named)
        assert all(any(f"] {name} " in line for line in lines) for name in named)
        assert text.title


def test_a_message_of_many_counts_the_rest() -> None:
    pieces = [Piece("OPENED", replace(OPEN, incident_id=f"2026-{n:04}")) for n in range(25)]
    text = message(pieces, ROUTE)
    assert text.title == "25 gangguan: Baru 25"
    assert len(text.body.splitlines()) == 1 + MOST_LINES + 1
    assert text.body.endswith("- dan 5 lagi")


@given(st.text(max_size=40), st.sampled_from(["json", "mailto", "tgram", "ntfy", "slack", "xml"]))
def test_whatever_an_address_is_nothing_said_of_it_holds_its_secrets(
    text: str, scheme: str
) -> None:
    for url in (f"{scheme}://{text}:s3cr3t@{text}/s3cr3t?{text}=s3cr3t", f"s3cr3t{text}"):
        said = [masked(url), *(one.sentence for one in wrong_with(url, []))]
        assert not any("s3cr3t" in one for one in said)


def test_a_topic_is_as_secret_as_a_password() -> None:
    assert masked("ntfy://s3cr3t") == "ntfy://***/***"
    assert masked("ntfys://ntfy.example.org/s3cr3t") == "ntfys://***/***"


@pytest.mark.parametrize(
    "private",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1", "::1",
     "fe80::1", "fc00::1", "::ffff:10.0.0.1", "2002:0a00:0001::"],
)  # fmt: skip
def test_a_private_address_needs_its_network_to_be_allowed(private: str) -> None:
    address = ip_address(private)
    assert not is_allowed(address, [])
    assert is_allowed(address, [ip_network(private)])


def test_public_addresses_are_allowed_and_names_are_no_addresses() -> None:
    assert is_allowed(ip_address("8.8.8.8"), [])
    assert is_allowed(ip_address("2606:4700:4700::1111"), [])
    assert literal("mail.example.org") is None
    assert literal("localhost") == ip_address("127.0.0.1")
