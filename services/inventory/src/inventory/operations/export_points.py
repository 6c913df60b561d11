"""Exporting points as a file that can be edited and imported again."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from common.names import last_id
from common.postgres.database import Row
from common.rpc.downloads import BYTE_ORDER_MARK, spooled
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.point_transfer_pb2 import (
    CSV,
    GEOJSON,
    XLSX,
    ExportFormat,
    ExportPointsRequest,
)

from inventory.files import geojson
from inventory.files.point_columns import COLUMNS, NUMBERS, cells_of, guarded
from inventory.files.xlsx import write_xlsx
from inventory.operations.dependencies import Dependencies
from inventory.storage import points
from inventory.storage.regions import require_region

Blocks = AsyncIterator[Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Form:
    """A form of file: its media type and the end of its name."""

    number: ExportFormat.ValueType
    media_type: str
    suffix: str


FORMS = (
    Form(CSV, "text/csv; charset=utf-8", "csv"),
    Form(XLSX, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    Form(GEOJSON, "application/geo+json", "geojson"),
)


def form_of(number: ExportFormat.ValueType) -> Form:
    """Return the form that was asked for; CSV when none was."""
    return next((form for form in FORMS if form.number == number), FORMS[0])


def file_name(request: ExportPointsRequest, form: Form) -> str:
    """Return the file's name."""
    return f"points-{last_id(request.parent)}.{form.suffix}"


async def export_points(
    needs: Dependencies, request: ExportPointsRequest, form: Form
) -> AsyncIterator[bytes]:
    """Yield the file piece by piece, all of one moment."""

    async def write(file: BinaryIO) -> None:
        async with needs.turns.any(), needs.database.snapshot() as connection:
            await require_region(connection, last_id(request.parent))
            async for piece in WRITERS[form.number](points.read_all(connection, request)):
                file.write(piece)

    async for piece in spooled(write):
        yield piece


async def _write_csv(blocks: Blocks) -> AsyncIterator[bytes]:
    yield _csv([COLUMNS], mark=BYTE_ORDER_MARK)
    async for rows in blocks:
        yield _csv(_cells(rows))


async def _write_geojson(blocks: Blocks) -> AsyncIterator[bytes]:
    yield geojson.HEAD
    separator = b""
    async for rows in blocks:
        yield separator + geojson.SEPARATOR.join(_features(rows))
        separator = geojson.SEPARATOR
    yield geojson.TAIL


async def _write_xlsx(blocks: Blocks) -> AsyncIterator[bytes]:
    everything = [row async for rows in blocks for row in rows]
    cells = map(_typed, _cells(everything))
    # In a thread: a workbook is written as a whole, and other calls go on meanwhile.
    yield await asyncio.to_thread(write_xlsx, COLUMNS, cells)


NUMBERED = [place for place, column in enumerate(COLUMNS) if column in NUMBERS]
WRITERS = {CSV: _write_csv, GEOJSON: _write_geojson, XLSX: _write_xlsx}


def _csv(rows: Iterable[Sequence[str]], mark: str = "") -> bytes:
    text = io.StringIO(mark, newline="")
    text.seek(0, io.SEEK_END)
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cells(rows: Sequence[Row]) -> Iterator[list[str]]:
    for row in rows:
        yield guarded(cells_of(points.from_row(row)))


def _typed(cells: Sequence[str]) -> list[str | float]:
    """Return the cells of a workbook: numbers as numbers, so that it can sort them."""
    typed: list[str | float] = list(cells)
    for index in NUMBERED:
        if cells[index]:
            typed[index] = float(cells[index])
    return typed


def _features(rows: Sequence[Row]) -> Iterator[bytes]:
    for row in rows:
        point: Point = points.from_row(row)
        properties = dict(zip(COLUMNS, cells_of(point), strict=True))
        del properties["latitude"], properties["longitude"]
        at = point.location
        located = point.HasField("location")
        yield geojson.feature(properties, (at.longitude, at.latitude) if located else None)
