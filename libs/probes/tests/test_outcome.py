import math

from hypothesis import given
from hypothesis import strategies as st
from probes.outcome import Outcome

ATTEMPTS = st.lists(st.none() | st.floats(0, 10_000), max_size=50).map(tuple)


def test_figures_of_a_burst() -> None:
    seen = Outcome((10.0, None, 30.0, 20.0))
    assert (seen.sent, seen.received, seen.loss) == (4, 3, 0.25)
    assert (seen.min_ms, seen.mean_ms, seen.max_ms, seen.p95_ms) == (10.0, 20.0, 30.0, 30.0)
    assert seen.jitter_ms == 15.0


def test_a_burst_without_an_answer_is_silent_and_has_no_figures() -> None:
    seen = Outcome((None, None))
    assert seen.measured
    assert seen.silent
    assert (seen.loss, seen.min_ms, seen.mean_ms, seen.p95_ms, seen.jitter_ms) == (
        1.0,
        *[None] * 4,
    )


def test_what_could_not_ask_has_measured_nothing_and_is_not_silent() -> None:
    seen = Outcome(error="this process may send no ICMP")
    assert not seen.measured
    assert not seen.silent
    assert seen.loss is None


@given(ATTEMPTS)
def test_figures_lie_in_their_order(attempts: tuple[float | None, ...]) -> None:
    seen = Outcome(attempts)
    figures = (seen.min_ms, seen.p95_ms, seen.max_ms)
    if not seen.received:
        assert figures == (None, None, None)
        return
    low, high, highest = (figure if figure is not None else math.nan for figure in figures)
    assert low <= high <= highest
    assert high in seen.round_trips_ms
    spread = (highest - low) * (1 + 1e-9)
    assert seen.jitter_ms is None or 0 <= seen.jitter_ms <= spread
