"""What a question for a point's history means, and whether it can be answered."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from common.errors import FieldsInvalid, Violation
from common.names import ids, region_of
from common.zones import offset_of
from smartcity.monitoring.v1 import measurement_history_pb2
from smartcity.monitoring.v1.measurement_history_pb2 import QueryMeasurementsRequest

from monitoring.domain.grid import DAY, HOUR, MINUTE, Grid, finest_step, piece_of
from monitoring.domain.history import Span
from monitoring.domain.summary import Figure
from monitoring.operations.dependencies import Dependencies
from monitoring.storage.measurements import PointKey

MOST_STEPS = 5_000
USUAL = (measurement_history_pb2.RTT_MEAN_MS, measurement_history_pb2.LOSS)
FIGURES = {
    number: Figure[name] for name, number in measurement_history_pb2.Figure.items() if number
}


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks for, with all that it leaves out."""

    key: PointKey
    span: Span
    figures: Sequence[Figure]
    sources: Collection[str]
    """None: those of all."""
    expected_interval_s: float | None
    now: datetime


def question_of(needs: Dependencies, request: QueryMeasurementsRequest) -> Question:
    """Return what a request asks for.

    Raises:
        FieldsInvalid: The span is none, has too many steps, or reaches back too far.
    """
    now = needs.clock()
    span = _span(request, now)
    found = [*_violations(needs, span)]
    if found:
        raise FieldsInvalid(found)
    region, point_id = ids(request.parent)
    return Question(
        PointKey(region, point_id),
        span,
        [FIGURES[number] for number in request.figure or USUAL],
        list(request.source),
        request.expected_interval.ToTimedelta().total_seconds() or None,
        now,
    )


def _span(request: QueryMeasurementsRequest, now: datetime) -> Span:
    end = min(request.end_time.ToDatetime(UTC), now) if request.HasField("end_time") else now
    start = request.start_time.ToDatetime(UTC) if request.HasField("start_time") else end - DAY
    step = request.step.ToTimedelta() if request.HasField("step") else HOUR
    return Span(Grid(step, offset_of(region_of(request.parent))), start, end)


def _violations(needs: Dependencies, span: Span) -> Iterator[Violation]:
    start, end, step = span.start, span.end, span.grid.step
    if start >= end:
        sentence = f"{_shown(start)} must lie before the end, {_shown(end)}"
        yield Violation("startTime", sentence, "SPAN_EMPTY")
        return
    count, finest = span.count(step), finest_step(start, end, MOST_STEPS)
    if count > MOST_STEPS:
        sentence = (
            f"{_seconds(step)} makes {count} steps and at most {MOST_STEPS} are answered;"
            f" the smallest step for this span is {_seconds(finest)}"
        )
        yield Violation("step", sentence, "STEPS_TOO_MANY")
    begin = span.grid.begin(start)
    kept = _kept(needs, begin)
    if piece_of(step) < kept:
        sentence = (
            f"{_seconds(step)} is too fine for {_shown(begin)}: measurements are kept from"
            f" {_shown(needs.oldest)} on, hourly roll-ups from {_shown(needs.oldest_hourly)} on;"
            f" the smallest step for this span is {_seconds(max(kept, finest))}"
        )
        yield Violation("step", sentence, "STEP_TOO_FINE")


def _kept(needs: Dependencies, begin: datetime) -> timedelta:
    """Return the pieces from which a step that begins then can be made."""
    if begin >= needs.oldest:
        return MINUTE
    return HOUR if begin >= needs.oldest_hourly else DAY


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def _seconds(step: timedelta) -> str:
    return f"{step.total_seconds():.0f} s"
