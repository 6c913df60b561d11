"""The state as a function of the measurements."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.observation import Observation, in_order
from monitoring.domain.rules import rules_of
from monitoring.domain.timeline import (
    Boundary,
    Memory,
    State,
    boundaries,
    expire,
    observe,
    turning,
)

START = datetime(2026, 11, 24, 8, tzinfo=UTC)
RULES = rules_of("FO")


def seen(text: str, step_s: float = 60) -> list[Observation]:
    """Return measurements: `g`ood, `p`oor, `s`ilent, a space for none, one each minute."""
    kinds = {"g": (10, 10, 20.0), "p": (10, 9, 20.0), "s": (10, 0, None)}
    return [
        Observation(START + timedelta(seconds=step_s * place), "icmp", *kinds[letter])
        for place, letter in enumerate(text)
        if letter != " "
    ]


def shown(text: str) -> list[tuple[str, int]]:
    """Return the states with the minute at which each begins."""
    return [
        (b.state.value, int((b.start - START).total_seconds() // 60))
        for b in boundaries(seen(text), RULES)
    ]


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("g", [("UP", 0)]),
        ("s", [("UNKNOWN", 0)]),
        ("ss", [("UNKNOWN", 0)]),
        ("sss", [("DOWN", 0)]),
        ("ggsss", [("UP", 0), ("DOWN", 2)]),
        ("ggssgs", [("UP", 0)]),
        ("gsssg", [("UP", 0), ("DOWN", 1)]),
        ("gsssgg", [("UP", 0), ("DOWN", 1), ("UP", 4)]),
        ("gssspp", [("UP", 0), ("DOWN", 1), ("DEGRADED", 4)]),
        ("gppp", [("UP", 0), ("DEGRADED", 1)]),
        ("gpsp", [("UP", 0), ("DEGRADED", 1)]),
        ("gpppgg", [("UP", 0), ("DEGRADED", 1)]),
        ("gpppggg", [("UP", 0), ("DEGRADED", 1), ("UP", 4)]),
        ("gppsss", [("UP", 0), ("DEGRADED", 1), ("DOWN", 3)]),
        ("g     g", [("UP", 0), ("UNKNOWN", 5), ("UP", 6)]),
        ("g     ssgg", [("UP", 0), ("UNKNOWN", 5), ("UP", 8)]),
        ("ss      s", [("UNKNOWN", 0)]),
        ("", []),
    ],
)
def test_measurements_make_the_states(text: str, states: list[tuple[str, int]]) -> None:
    assert shown(text) == states


def test_a_satellite_is_not_slow_because_of_its_half_second() -> None:
    half_a_second = [
        Observation(START + timedelta(minutes=n), "icmp", 10, 10, 550.0) for n in range(5)
    ]
    states = {
        technology: boundaries(half_a_second, rules_of(technology))[-1].state
        for technology in ("VSAT", "FO", "", "never heard of")
    }
    assert states == {
        "VSAT": State.UP,
        "FO": State.DEGRADED,
        "": State.DEGRADED,
        "never heard of": State.DEGRADED,
    }


def test_throughput_alone_says_nothing_of_the_state() -> None:
    assert boundaries([Observation(START, "ndt")], RULES) == []


def test_when_nobody_measures_it_is_unknown_and_not_down() -> None:
    memory, _ = observe(Memory(), seen("g")[0], RULES)
    same, begun = expire(memory, START + timedelta(minutes=5), RULES)
    assert (same, begun) == (memory, [])
    memory, begun = expire(memory, START + timedelta(minutes=5, seconds=1), RULES)
    assert [(b.state, b.start) for b in begun] == [(State.UNKNOWN, START + timedelta(minutes=5))]
    assert expire(memory, START + timedelta(days=1), RULES) == (memory, [])


OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        st.integers(0, 120).map(lambda n: START + timedelta(seconds=30 * n)),
        st.sampled_from(["a", "b"]),
        st.just(10),
        st.integers(0, 10),
        st.sampled_from([None, 20.0, 400.0]),
    ),
    max_size=60,
    unique_by=in_order,
)


@given(OBSERVATIONS, st.randoms(use_true_random=False))
def test_neither_order_nor_duplicates_change_the_timeline(
    observations: list[Observation], random: object
) -> None:
    again = observations * 2
    random.shuffle(again)  # type: ignore[attr-defined]
    assert boundaries(again, RULES) == boundaries(observations, RULES)


@given(OBSERVATIONS)
def test_states_follow_each_other_and_differ(observations: Sequence[Observation]) -> None:
    found = boundaries(observations, RULES)
    for one, other in pairwise(found):
        assert one.start < other.start
        assert one.state is not other.state


@given(OBSERVATIONS, st.integers(0, 60))
def test_going_on_from_any_memory_is_the_same_as_from_the_begin(
    observations: list[Observation], cut: int
) -> None:
    ordered = sorted(observations, key=in_order)
    memory = walked(Memory(), ordered[:cut])[0]
    assert walked(memory, ordered[cut:])[0] == walked(Memory(), ordered)[0]


def walked(memory: Memory, observations: Sequence[Observation]) -> tuple[Memory, list[Boundary]]:
    found: list[Boundary] = []
    for one in observations:
        memory, begun = observe(memory, one, RULES)
        found += begun
    return memory, found


def flapping(text: str) -> str:
    """Return for each measurement whether the point flaps after it."""
    memory, shown = Memory(), ""
    for one in seen(text):
        memory, _ = observe(memory, one, RULES)
        shown += "F" if memory.flapping else "."
    return shown


def test_a_point_flaps_when_its_measurements_turn_often_and_until_they_are_steady() -> None:
    assert flapping("g" * 30) == "." * 30
    assert flapping("ggg" + "s" * 20 + "ggg") == "." * 26
    restless = flapping("g" + "sg" * 10)
    assert restless == "." * 6 + "F" * 15
    calm = flapping("g" + "sg" * 10 + "g" * 20)
    assert calm.endswith("." * 5)
    assert calm.count("F") > 15


def test_turning_is_weighted_as_in_icinga() -> None:
    assert turning(0) == 0
    assert turning(1) == pytest.approx(1.18 / 20)
    assert turning(1 << 19) == pytest.approx(0.8 / 20)
    assert turning((1 << 20) - 1) == pytest.approx(0.99)
