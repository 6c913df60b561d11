"""When checks are due."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.schedule import Agenda, Due, Rhythm

INTERVALS_MS = st.integers(1, 3600).map(lambda seconds: seconds * 1000)
TIMES_MS = st.integers(1_700_000_000_000, 1_900_000_000_000)
NAMES = st.text(min_size=1, max_size=20)


@dataclass(frozen=True)
class Item:
    name: str
    rhythm: Rhythm


@given(NAMES, INTERVALS_MS, TIMES_MS)
def test_a_name_has_one_phase_within_its_interval(name: str, interval: int, time: int) -> None:
    rhythm = Rhythm.of(name, interval)
    assert 0 <= rhythm.phase_ms < interval
    assert Rhythm.of(name, interval) == rhythm
    assert rhythm.after(time) % interval == rhythm.phase_ms


@given(NAMES, INTERVALS_MS, TIMES_MS)
def test_the_next_moment_is_the_first_after_now(name: str, interval: int, time: int) -> None:
    rhythm = Rhythm.of(name, interval)
    assert time < rhythm.after(time) <= time + interval
    assert rhythm.after(rhythm.after(time)) == rhythm.after(time) + interval


def test_the_phases_of_many_checks_spread_over_the_interval() -> None:
    phases = [Rhythm.of(f"regions/64.01/points/P-{n}/checks/main", 60_000) for n in range(3000)]
    in_tenth = [sum(p.phase_ms // 6000 == tenth for p in phases) for tenth in range(10)]
    assert min(in_tenth) > 200
    assert max(in_tenth) < 400


@given(
    st.lists(INTERVALS_MS, min_size=1, max_size=8),
    TIMES_MS,
    st.lists(st.integers(0, 700), min_size=1, max_size=120),
)
def test_with_quick_checks_every_moment_comes_exactly_once(
    intervals: list[int], begin: int, steps: list[int]
) -> None:
    """The loop wakes late by up to 0.7 s, which is less than any interval."""
    agenda = Agenda[Item]()
    items = [Item(str(n), Rhythm.of(str(n), interval)) for n, interval in enumerate(intervals)]
    agenda.replace(items, begin)
    begun: dict[str, list[int]] = {item.name: [] for item in items}
    now = begin
    for step in steps:
        now += step
        for due in list(agenda.begin(now)):
            begun[due.item.name].append(due.moment_ms)
            agenda.end(due)
    for item in items:
        first = item.rhythm.after(begin)
        expected = list(range(first, now + 1, item.rhythm.interval_ms))
        assert begun[item.name] == expected
    assert agenda.skipped == 0


@given(TIMES_MS, st.lists(st.tuples(st.integers(0, 9000), st.booleans()), max_size=80))
def test_an_overrun_or_a_late_loop_skips_and_never_piles_up(
    begin: int, steps: list[tuple[int, bool]]
) -> None:
    agenda, item = Agenda[Item](), Item("a", Rhythm.of("a", 2000))
    agenda.replace([item], begin)
    under_way: list[Due[Item]] = []
    moments: list[int] = []
    now = begin
    for step, ends in steps:
        now += step
        if ends and under_way:
            agenda.end(under_way.pop())
        found = list(agenda.begin(now))
        assert len(found) + len(under_way) <= 1
        assert all(now - due.moment_ms < 2000 for due in found)
        under_way += found
        moments += [due.moment_ms for due in found]
    assert moments == sorted(set(moments))
    passed = max(now - item.rhythm.after(begin), -2000) // 2000 + 1
    assert len(moments) + agenda.skipped == passed


def test_a_check_that_stays_as_it_was_keeps_its_moment_when_others_change() -> None:
    agenda, kept = Agenda[Item](), Item("kept", Rhythm(1000, 300))
    agenda.replace([kept, Item("gone", Rhythm(1000, 100))], 0)
    agenda.replace([kept, Item("new", Rhythm(1000, 900))], 350)
    assert [due.item.name for due in agenda.begin(950)] == ["kept", "new"]
    assert agenda.next_ms == 1300


def test_an_agenda_without_checks_has_no_moment() -> None:
    agenda = Agenda[Item]()
    agenda.replace([Item("a", Rhythm(1000, 0))], 0)
    agenda.replace([], 0)
    assert agenda.next_ms is None
    assert list(agenda.begin(10_000)) == []
