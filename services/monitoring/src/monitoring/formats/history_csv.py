"""A history as a CSV file: one step a row, times on the clock of the region."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta, timezone

from common.rpc.downloads import BYTE_ORDER_MARK
from smartcity.monitoring.v1.measurement_history_pb2 import Figure, FigureSpread, MeasurementBucket

STEP = ("start_time", "end_time", "count", "expected_count", "missing_share")
PACKETS = ("packets_sent", "packets_received")
SPREAD = ("count", "mean", "min", "max", "p50", "p95", "p99")
Cell = str | int


def history_csv(
    buckets: Sequence[MeasurementBucket], figures: Sequence[Figure.ValueType], offset: timedelta
) -> bytes:
    """Return the file; `offset` is how far the region is ahead of UTC.

    What was not measured, or is not known, is an empty cell.
    """
    text = io.StringIO(BYTE_ORDER_MARK, newline="")
    text.seek(0, io.SEEK_END)
    names = [Figure.Name(figure).lower() for figure in figures]
    writer = csv.writer(text)
    writer.writerow([*STEP, *PACKETS, *(f"{name}_{part}" for name in names for part in SPREAD)])
    zone = timezone(offset)
    writer.writerows([*_step(one, zone), *_figures(one, figures)] for one in buckets)
    return text.getvalue().encode()


def _step(bucket: MeasurementBucket, zone: timezone) -> Iterator[Cell]:
    for time in (bucket.start_time, bucket.end_time):
        yield time.ToDatetime(UTC).astimezone(zone).isoformat()
    yield bucket.count
    for name in ("expected_count", "missing_share"):
        yield _shown(getattr(bucket, name)) if bucket.HasField(name) else ""
    yield from (bucket.packets_sent, bucket.packets_received)


def _figures(bucket: MeasurementBucket, figures: Sequence[Figure.ValueType]) -> Iterator[Cell]:
    spreads = {spread.figure: spread for spread in bucket.figures}
    for figure in figures:
        spread = spreads.get(figure)
        yield from [""] * len(SPREAD) if spread is None else _spread(spread)


def _spread(spread: FigureSpread) -> Iterator[Cell]:
    yield spread.count
    yield from (_shown(getattr(spread, name)) for name in SPREAD[1:])


def _shown(figure: float) -> str:
    """Return a figure with the digits that are meant: a message holds 24 bits of it."""
    return f"{figure:.6g}"
