"""When a message that a target did not take is tried again."""

from datetime import timedelta

FIRST = timedelta(seconds=15)
LONGEST = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=1)


def delay_after(attempts: int, chance: float) -> timedelta:
    """Return how long to wait after so many attempts: doubled each time, spread by `chance`.

    `chance` is between 0 and 1: half of the delay is certain, the other half is its share.
    """
    doublings = min(attempts - 1, 20)
    whole = min(FIRST * (1 << doublings), LONGEST)
    return whole * (0.5 + chance / 2)
