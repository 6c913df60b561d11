"""How agents wait after failures."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from siteagent.backoff import Backoff


@given(st.integers(1, 2000), st.randoms(use_true_random=False))
def test_a_wait_is_anywhere_up_to_a_bound_that_doubles(failures: int, chance: Random) -> None:
    backoff = Backoff(first_s=1, longest_s=300, uniform=chance.uniform)
    for number in range(1, failures + 1):
        assert 0 <= backoff.failed() <= min(300, 2.0 ** min(number - 1, 30))


def test_after_a_success_the_bound_is_the_first_again() -> None:
    backoff = Backoff(uniform=lambda _, most: most)
    assert [backoff.failed() for _ in range(10)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    backoff.succeeded()
    assert backoff.failed() == 1


def test_a_server_that_tells_how_long_is_heard() -> None:
    backoff = Backoff(uniform=lambda _, most: most)
    assert [backoff.failed(30) for _ in range(8)] == [60] * 6 + [64, 128]


def test_agents_that_fail_together_do_not_return_together() -> None:
    agents = [Backoff(uniform=Random(seed).uniform) for seed in range(300)]  # noqa: S311
    for backoff in agents:
        backoff.failures = 10
    seconds = sorted(backoff.failed() for backoff in agents)
    busiest = max(sum(1 for s in seconds if start <= s < start + 1) for start in range(300))
    assert busiest <= 10
