"""How many measurements there should have been, so that what is missing can be told."""

from collections.abc import Sequence


def filled(intervals: Sequence[float | None]) -> list[float | None]:
    """Return the intervals with each gap filled by the nearest before, or else the first after.

    Nothing but None when none is known.
    """
    known = next((one for one in intervals if one is not None), None)
    found = []
    for one in intervals:
        known = known if one is None else one
        found.append(known)
    return found


def missing_share(count: int, expected: float | None) -> float | None:
    """Return which part of the expected measurements is missing, 0 to 1; None if nobody knows.

    Where nothing was measured everything is missing, however much that is.
    """
    if not count:
        return 1.0
    return max(1 - count / expected, 0.0) if expected else None
