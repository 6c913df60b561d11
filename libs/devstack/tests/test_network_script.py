"""The script of the simulated network: what fails when, and what packets then meet."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median

import pytest
from devstack.network import script
from devstack.network.addresses import OWN, free_addresses, is_simulated
from devstack.network.lines import STRAINED_MS, Lines
from devstack.network.orders import Order
from devstack.network.script import AREA_OUTAGES, HOUR_S, WINDOW_S, episodes, health
from devstack.network.site import Site
from devstack.network.technologies import KINDS, SHARES
from hypothesis import given
from hypothesis import strategies as st

NOON = 1_800_000_000.0
SEEDS = st.integers(0, 2**63)
TIMES = st.floats(NOON, NOON + 10 * 365 * 86_400)
TECHNOLOGIES = st.sampled_from([*KINDS])
SEED = 6401


def site(number: int, technology: str = "FO", district: str = "64.01.06") -> Site:
    return Site(
        point=f"PSR-{number:04}",
        display_name=f"Titik {number}",
        district=district,
        district_name="Long Ikis",
        technology=technology,
        address=f"127.64.{number // 250}.{number % 250 + 1}",
    )


def demonstration() -> list[Site]:
    mix = [name for name, share in SHARES.items() for _ in range(share)]
    return [site(n, mix[n % 100], f"64.01.{n % 10 + 1:02}") for n in range(251)]


@given(SEEDS, TIMES, TIMES, TECHNOLOGIES)
def test_the_story_is_the_same_whatever_was_asked_before(
    seed: int, at: float, other: float, technology: str
) -> None:
    first = health(seed, site(7, technology), at)
    health(seed, site(8, technology), other)
    assert health(seed, site(7, technology), at) == first


@given(SEEDS, TIMES, TECHNOLOGIES, st.floats(0, 1, exclude_max=True))
def test_a_line_stays_as_it_is_until_it_is_said_to_change(
    seed: int, at: float, technology: str, part: float
) -> None:
    now = health(seed, site(7, technology), at)
    assert now.until > at
    later = min(at + part * (now.until - at), now.until)
    if later < now.until:
        assert health(seed, site(7, technology), later) == now


@given(SEEDS, TIMES, st.text(max_size=20))
def test_what_begins_lasts_as_long_as_outages_do_and_follows_in_order(
    seed: int, at: float, subject: str
) -> None:
    found = [*episodes(seed, subject, AREA_OUTAGES, at)]
    for episode in found:
        length_s = episode.end - episode.begin
        assert AREA_OUTAGES.shortest_s - 1e-3 <= length_s <= AREA_OUTAGES.longest_s + 1e-3
        assert (at // WINDOW_S - 1) * WINDOW_S <= episode.begin < (at // WINDOW_S + 1) * WINDOW_S
    assert all(one.begin < other.begin for one, other in pairwise(found))


def test_another_seed_tells_another_story() -> None:
    moments = [NOON + hour * HOUR_S for hour in range(24 * 30)]
    one, other = [
        [health(seed, site(1, "MODEM_4G"), moment).until for moment in moments] for seed in (1, 2)
    ]
    assert one != other


def story(one: Site, hours: int) -> Iterator[tuple[float, float]]:
    """Give the line's outages from noon on: from when, to when; an outage may be given in parts."""
    at, end = NOON, NOON + hours * HOUR_S
    while at < end:
        now = health(SEED, one, at)
        if now.down:
            yield at, min(now.until, end)
        at = now.until


def test_a_demonstration_is_mostly_well_with_a_few_outages_an_hour() -> None:
    hours = 48
    outages = [outage for one in demonstration() for outage in story(one, hours)]
    assert 2 < len(outages) / hours < 20
    share = sum(end - begin for begin, end in outages) / (251 * hours * HOUR_S)
    assert 0.001 < share < 0.03


def most_down_at_once(sites: list[Site]) -> int:
    outages = [outage for one in sites for outage in story(one, 7 * 24)]
    return max(sum(begin <= at < end for begin, end in outages) for at, _ in outages)


def test_lines_of_a_district_fail_together() -> None:
    assert 20 <= most_down_at_once([site(number) for number in range(40)]) <= 40


def test_lines_of_no_known_district_share_no_fate() -> None:
    assert most_down_at_once([site(number, district="") for number in range(40)]) < 5


def lines_at(clock: Callable[[], float], *sites: Site) -> Lines:
    lines = Lines(SEED, clock)
    lines.lay(sites)
    return lines


def good_moment(one: Site) -> float:
    """Return a moment at which the line is neither down nor strained."""
    moments = (NOON + minute * 60 for minute in range(10_000))
    return next(at for at in moments if not any(astuple(health(SEED, one, at))))


def astuple(now: script.Health) -> tuple[bool, float]:
    return now.down, now.strain


@pytest.mark.parametrize("technology", [*KINDS])
def test_each_technology_has_its_delay_and_its_loss(technology: str) -> None:
    kind, one = KINDS[technology], site(3, technology, district="")
    moment = good_moment(one)
    lines = lines_at(lambda: moment, one)
    answers = [lines.delay_s(one.address) for _ in range(20_000)]
    delays = [1000 * delay for delay in answers if delay is not None]
    assert kind.shortest_ms <= min(delays) < median(delays) < max(delays) <= kind.longest_ms
    assert kind.loss / 3 < answers.count(None) / len(answers) < kind.loss * 3 + 0.001


def test_a_strained_line_is_slow_and_lossy_and_not_down() -> None:
    one = site(3, "MODEM_4G", district="")
    moments = (NOON + minute * 60 for minute in range(100_000))
    moment = next(
        at
        for at in moments
        if health(SEED, one, at).strain > 0.5 and not health(SEED, one, at).down
    )
    lines = lines_at(lambda: moment, one)
    answers = [lines.delay_s(one.address) for _ in range(2000)]
    delays = [delay for delay in answers if delay is not None]
    assert 0.05 < answers.count(None) / len(answers) < 0.5
    assert min(delays) > 0.5 * STRAINED_MS / 1000


def test_an_ordered_outage_holds_to_its_end_on_its_point_alone() -> None:
    one, other = site(3, district=""), site(4, district="")
    now = [good_moment(one)]
    lines = lines_at(lambda: now[0], one, other)
    until = now[0] + 30
    lines.follow((Order(id="a", point=one.point, district="", until=until),))
    assert lines.health(one).down
    assert not lines.health(other).down
    now[0] = until - 0.01
    assert lines.health(one).down
    now[0] = until
    assert lines.health(one) == health(SEED, one, until)


def test_an_ordered_outage_of_a_district_hits_all_its_points_until_it_is_taken_back() -> None:
    hit, spared = [site(3), site(4)], site(5, district="64.01.01")
    lines = lines_at(lambda: NOON, *hit, spared)
    before = [lines.health(one) for one in (*hit, spared)]
    lines.follow((Order(id="a", point="", district="64.01.06", until=NOON + 60),))
    assert [lines.health(one).down for one in (*hit, spared)] == [True, True, before[2].down]
    lines.follow(())
    assert [lines.health(one) for one in (*hit, spared)] == before


def test_nobody_answers_where_no_line_leads() -> None:
    lines = lines_at(lambda: NOON, site(3))
    assert lines.delay_s("127.64.9.9") is None
    assert lines.delay_s(OWN) == 0


def test_addresses_are_of_the_block_and_given_once() -> None:
    free = free_addresses({"127.64.0.2"})
    given_out = [next(free) for _ in range(10_000)]
    assert given_out[:2] == ["127.64.0.1", "127.64.0.3"]
    assert len({*given_out, OWN}) == 10_001
    assert all(map(is_simulated, given_out))
    assert not any(map(is_simulated, ["127.0.0.1", "127.128.0.1", "10.64.0.1", "", "sdn.example"]))
