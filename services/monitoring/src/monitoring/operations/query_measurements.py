"""The history of a point: counts, what is missing, means and percentiles, step by step."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

from common.errors import ResourceMissing
from common.names import region_of
from common.postgres.values import timestamp
from common.zones import offset_of
from smartcity.monitoring.v1 import measurement_history_pb2
from smartcity.monitoring.v1.measurement_history_pb2 import (
    FigureSpread,
    MeasurementBucket,
    QueryMeasurementsRequest,
    QueryMeasurementsResponse,
)

from monitoring.domain.grid import HOUR, MINUTE, Grid, piece_of
from monitoring.domain.history import Bucket, Part, buckets, expected_counts, intervals_of
from monitoring.domain.summary import Figure, Spread
from monitoring.formats.history_csv import history_csv
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.history_parts import read_parts
from monitoring.operations.history_question import USUAL, Question, question_of
from monitoring.storage import points

PERCENTS = (50, 95, 99)
NUMBERS = {figure: measurement_history_pb2.Figure.Value(figure.name) for figure in Figure}
ANY_SOURCE = ""


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
        parts, intervals = await read_parts(connection, question)
    # In a thread: other calls go on meanwhile.
    return await asyncio.to_thread(_answer, question, parts, intervals)


async def export_history(needs: Dependencies, request: QueryMeasurementsRequest) -> bytes:
    """Return a point's measurements in equal steps as a CSV file.

    Raises:
        FieldsInvalid, ResourceMissing: As `query_measurements`.
    """
    answer = await query_measurements(needs, request)
    figures = list(request.figure) or list(USUAL)
    offset = offset_of(region_of(request.parent))
    return await asyncio.to_thread(history_csv, answer.buckets, figures, offset)


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
