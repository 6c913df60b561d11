"""Maintenance windows cut a timeline and change nothing else of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.overlay import Cover, Piece, edges, in_force, overlaid
from monitoring.domain.timeline import State

START = datetime(2026, 11, 24, 16, tzinfo=UTC)
"""Midnight in Paser."""


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def minutes(piece: Piece) -> tuple[float, float | None]:
    begin, end = piece.start - START, piece.end and piece.end - START
    return begin.total_seconds() / 60, end.total_seconds() / 60 if end else None


TIMELINE = [
    Piece(at(0), at(10), State.UP, "good"),
    Piece(at(10), at(20), State.DOWN, "silent"),
    Piece(at(20), None, State.UP, "good"),
]


def shown(covers: list[Cover], now: float) -> list[tuple[str, str, float, float | None]]:
    pieces = overlaid(TIMELINE, in_force(covers, at(now)))
    return [(piece.measured.value, piece.window, *minutes(piece)) for piece in pieces]


def test_a_window_in_the_past_cuts_out_its_span() -> None:
    assert shown([Cover(at(5), "a", at(15))], 60) == [
        ("UP", "", 0, 5),
        ("UP", "a", 5, 10),
        ("DOWN", "a", 10, 15),
        ("DOWN", "", 15, 20),
        ("UP", "", 20, None),
    ]


def test_a_window_that_lasts_has_no_end_and_one_to_come_is_not_shown() -> None:
    assert shown([Cover(at(15), "a", at(90)), Cover(at(95), "b", at(99))], 60) == [
        ("UP", "", 0, 10),
        ("DOWN", "", 10, 15),
        ("DOWN", "a", 15, 20),
        ("UP", "a", 20, None),
    ]
    assert shown([Cover(at(61), "a", at(90))], 60) == shown([], 60)


def test_of_windows_that_overlap_the_first_is_told_until_it_ends() -> None:
    covers = [Cover(at(7), "b", at(30)), Cover(at(5), "a", at(15)), Cover(at(6), "c", at(12))]
    assert shown(covers, 60) == [
        ("UP", "", 0, 5),
        ("UP", "a", 5, 10),
        ("DOWN", "a", 10, 15),
        ("DOWN", "b", 15, 20),
        ("UP", "b", 20, 30),
        ("UP", "", 30, None),
    ]


def test_occurrences_of_a_window_that_touch_are_one_piece() -> None:
    assert shown([Cover(at(1), "a", at(3)), Cover(at(3), "a", at(5))], 60)[:3] == [
        ("UP", "", 0, 1),
        ("UP", "a", 1, 5),
        ("UP", "", 5, 10),
    ]


MINUTES = st.integers(0, 120)
COVERS = st.lists(
    st.builds(
        lambda start, length, window: Cover(at(start), window, at(start + length)),
        MINUTES,
        st.integers(1, 60),
        st.sampled_from("abc"),
    ),
    max_size=8,
)
CUTS = st.lists(st.integers(0, 100), min_size=1, max_size=8, unique=True).map(sorted)
STATES = st.sampled_from(State)


@st.composite
def timelines(draw: st.DrawFn) -> list[Piece]:
    """Draw a timeline as the engine writes it: one piece after the other, the last without end."""
    cuts = [at(cut) for cut in draw(CUTS)]
    return [
        Piece(start, end, draw(STATES), "why") for start, end in pairwise([*cuts, None]) if start
    ]


def holds(start: datetime, end: datetime | None, time: datetime) -> bool:
    return start <= time and (end is None or time < end)


@given(timelines(), COVERS, MINUTES)
def test_pieces_follow_each_other_over_the_same_time(
    timeline: list[Piece], covers: list[Cover], now: int
) -> None:
    forced = in_force(covers, at(now))
    pieces = overlaid(timeline, forced)
    assert pieces[0].start == timeline[0].start
    assert pieces[-1].end is None
    for one, other in pairwise(pieces):
        assert one.end == other.start
        assert one.start < other.start
    inner = {piece.start for piece in timeline}
    cuts = [cut for cut in edges(forced) if cut > timeline[0].start and cut not in inner]
    assert len(pieces) == len(timeline) + len(cuts)


@given(timelines(), COVERS, MINUTES, st.integers(0, 240))
def test_each_moment_keeps_what_was_measured_and_is_covered_as_it_was(
    timeline: list[Piece], covers: list[Cover], now: int, half_minutes: int
) -> None:
    time = at(half_minutes / 2)
    pieces = [
        piece
        for piece in overlaid(timeline, in_force(covers, at(now)))
        if holds(piece.start, piece.end, time)
    ]
    measured = [piece for piece in timeline if holds(piece.start, piece.end, time)]
    assert [piece.measured for piece in pieces] == [piece.measured for piece in measured]
    if pieces and time <= at(now):
        forced = {cover.window for cover in covers if holds(cover.start, cover.end, time)}
        assert bool(pieces[0].window) == bool(forced)
        assert pieces[0].window in forced | {""}
