"""The history of a point: its roll-ups, and the measurements of hours not rolled up yet."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

from common.errors import ResourceMissing
from common.postgres.database import Connection
from common.postgres.values import timestamp
from smartcity.monitoring.v1 import measurement_history_pb2
from smartcity.monitoring.v1.measurement_history_pb2 import (
    FigureSpread,
    MeasurementBucket,
    QueryMeasurementsRequest,
    QueryMeasurementsResponse,
)

from monitoring.domain.grid import DAY, HOUR, MINUTE, Grid, piece_of
from monitoring.domain.history import Bucket, Part, buckets, expected_counts, intervals_of
from monitoring.domain.summary import Figure, Spread
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.history_question import Question, question_of
from monitoring.operations.roll_up import day_of, days_of
from monitoring.storage import points, roll_ups, summed
from monitoring.storage.roll_ups import Length

PERCENTS = (50, 95, 99)
NUMBERS = {figure: measurement_history_pb2.Figure.Value(figure.name) for figure in Figure}
ANY_SOURCE = ""
Reach = tuple[datetime, datetime]


async def query_measurements(
    needs: Dependencies, request: QueryMeasurementsRequest
) -> QueryMeasurementsResponse:
    """Return a point's measurements in equal steps.

    Raises:
        FieldsInvalid: The span is none, has too many steps, or reaches back too far.
        ResourceMissing: There is no such point.
    """
    question = question_of(needs, request)
    async with needs.database.snapshot() as connection:
        if not await points.known(connection, question.key.region, [question.key.point_id]):
            raise ResourceMissing(request.parent)
        parts, intervals = await _read(connection, question)
    # In a thread: other calls go on meanwhile.
    return await asyncio.to_thread(_answer, question, parts, intervals)


async def _read(connection: Connection, question: Question) -> tuple[list[Part], list[Part]]:
    """Return what the steps are made of, and what tells the intervals of the sources."""
    grid = question.span.grid
    reach = question.span.reach
    piece = piece_of(grid.step)
    if piece == DAY:
        parts = await _days(connection, question, reach)
    elif piece == HOUR:
        parts = await _hours(connection, question, reach)
    else:
        hours = Grid(HOUR, grid.offset)
        whole = hours.begin(reach[0]), hours.end(reach[1])
        return await _steps(connection, question, reach), await _hours(connection, question, whole)
    return parts, parts


async def _steps(connection: Connection, question: Question, reach: Reach) -> list[Part]:
    step = question.span.grid.step
    rows = await summed.sum_steps(connection, question.key, reach, step, question.sources)
    return [summed.summed_of(row, question.figures).part for row in rows]


async def _hours(connection: Connection, question: Question, reach: Reach) -> list[Part]:
    """Return the hours: rolled up, or of measurements where something came since."""
    key, figures, sources = question.key, question.figures, question.sources
    marked = await roll_ups.marked(connection, key, *reach)
    rows = await roll_ups.read(connection, Length.HOUR, key, reach, sources)
    fresh = await summed.sum_hours(connection, marked, sources)
    stale = {hour.start for hour in marked}
    return [
        *(roll_ups.roll_up_of(row, figures).part for row in rows if row["start_time"] not in stale),
        *(summed.summed_of(row, figures).part for row in fresh),
    ]


async def _days(connection: Connection, question: Question, reach: Reach) -> list[Part]:
    """Return the days: rolled up, or of their hours where something came since."""
    key, sources = question.key, question.sources
    rows = await roll_ups.read(connection, Length.DAY, key, reach, sources)
    stale = {day_of(hour).start for hour in await roll_ups.marked(connection, key, *reach)}
    found = [
        roll_ups.roll_up_of(row, question.figures).part
        for row in rows
        if row["start_time"] not in stale
    ]
    for day in stale:
        hours = await _hours(connection, question, (day, day + DAY))
        found += [one.part for one in days_of(roll_ups.RollUp(key, hour) for hour in hours)]
    return found


def _answer(
    question: Question, parts: Sequence[Part], intervals: Sequence[Part]
) -> QueryMeasurementsResponse:
    expected = _expected(question, intervals)
    return QueryMeasurementsResponse(
        buckets=[
            _bucket(bucket, question.figures) for bucket in buckets(question.span, parts, expected)
        ]
    )


def _expected(question: Question, told: Sequence[Part]) -> dict[datetime, float]:
    """Return how many measurements each step should have; `told` holds the sources' intervals."""
    span, piece = question.span, piece_of(question.span.grid.step)
    length = span.grid.step if piece == MINUTE else piece
    intervals = intervals_of(span, length, told, Grid(max(piece, HOUR), span.grid.offset))
    if question.expected_interval_s:
        sources = question.sources or intervals or [ANY_SOURCE]
        intervals = dict.fromkeys(sources, [question.expected_interval_s] * span.count(length))
    return expected_counts(span, intervals, length, question.now)


def _bucket(bucket: Bucket, figures: Iterable[Figure]) -> MeasurementBucket:
    summary = bucket.summary
    spreads = summary.spreads or {}
    return MeasurementBucket(
        start_time=timestamp(bucket.start),
        end_time=timestamp(bucket.end),
        count=summary.measurements,
        expected_count=bucket.expected,
        missing_share=bucket.missing_share,
        packets_sent=summary.packets_sent,
        packets_received=summary.packets_received,
        figures=[_spread(figure, spreads[figure]) for figure in figures if figure in spreads],
    )


def _spread(figure: Figure, spread: Spread) -> FigureSpread:
    p50, p95, p99 = spread.percentiles(PERCENTS)
    return FigureSpread(
        figure=NUMBERS[figure],
        count=spread.histogram.count,
        mean=spread.mean,
        min=spread.least,
        max=spread.greatest,
        p50=p50,
        p95=p95,
        p99=p99,
    )
