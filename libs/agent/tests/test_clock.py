"""What the agent knows of the time."""

from hypothesis import given
from hypothesis import strategies as st
from siteagent.clock import Clock, Instant

ROUND_TRIPS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1)


def at(since_boot_us: int, wall_us: int = 0) -> Instant:
    return Instant("b", since_boot_us, wall_us)


def test_no_two_moments_are_the_same() -> None:
    clock = Clock("b")
    moments = [clock.now().since_boot_us for _ in range(10_000)]
    assert sorted(set(moments)) == moments


def test_before_any_answer_the_machine_is_believed() -> None:
    clock = Clock("b")
    assert clock.offset_us is None
    assert clock.server_us(at(5, 77)) == 77
    assert clock.skew_ms(at(5, 77)) == 0


@given(ROUND_TRIPS, st.integers(-(10**15), 10**15))
def test_the_estimate_is_wrong_by_half_the_shortest_round_trip_at_most(
    trips: list[tuple[int, int]], offset_us: int
) -> None:
    clock, now = Clock("b"), 0
    for there_us, back_us in trips:
        arrived_us = now + there_us
        clock.learn(at(now), at(arrived_us + back_us), arrived_us + offset_us)
        now = arrived_us + back_us + 1
    shortest_us = min(there + back for there, back in trips[-8:])
    assert clock.offset_us is not None
    assert abs(clock.offset_us - offset_us) <= shortest_us / 2 + 1


def test_the_machines_own_clock_is_told_by_how_much_it_is_wrong() -> None:
    clock = Clock("b")
    clock.learn(at(0), at(2_000), 1_000_000_001_000)
    assert clock.skew_ms(at(10_000, 1_000_003_010_000)) == 3_000
    clock.forget()
    assert clock.offset_us is None
