"""Importing points from a file: all of it or nothing, in blocks, so that memory stays small."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import asyncpg
from common.errors import FieldsInvalid, Kind, ServiceError, Violation
from common.events.outbox import append
from common.names import last_id
from common.postgres import history
from common.postgres.database import Connection
from common.postgres.requests import answer_once
from common.tables.table import Line, Table
from smartcity.inventory.v1.point_transfer_pb2 import (
    INSERT_ONLY,
    ImportPointsRequest,
    ImportReport,
    RowError,
)

from inventory.files.point_columns import Heading, headings_of
from inventory.files.sandbox import read_apart
from inventory.operations.dependencies import Dependencies
from inventory.operations.import_plan import Block, Plan
from inventory.storage import imports
from inventory.storage.regions import require_region

BLOCK_ROWS = 1000


class ImportRefused(FieldsInvalid):
    """Rows of the file are wrong; nothing was written."""

    reason = "IMPORT_REFUSED"

    def __init__(self, report: ImportReport) -> None:
        super().__init__([_violation(error) for error in report.errors])
        self.message = (
            f"nothing was imported: errors {report.error_count}, rows {report.row_count}; "
            "a dry run (validateOnly=true) lists every error"
        )
        self.metadata = {"errors": str(report.error_count), "rows": str(report.row_count)}


class ImportOvertaken(ServiceError):
    """Somebody created a point with a code of the file while it was being imported."""

    kind = Kind.CONFLICT
    reason = "IMPORT_OVERTAKEN"
    retry_after_s = 1.0


async def import_points(needs: Dependencies, request: ImportPointsRequest) -> ImportReport:
    """Import the file, or report what would happen.

    Imports into one region wait for each other, so that each sees what the one before did.

    Raises:
        FileRefused, ColumnsWrong: The file is no table of points; also for a dry run.
        ImportRefused: Rows are wrong. A dry run reports them instead.
        ImportOvertaken: A code of the file was taken in the meantime.
    """
    if request.validate_only:
        async with needs.turns.any():
            importing = await _read(needs, request)
            async with needs.database.snapshot() as connection:
                return await importing.run(connection)
    region = last_id(request.parent)
    async with needs.turns.alone_in(region):
        importing = await _read(needs, request)
        async with needs.database.transaction() as connection:
            return await answer_once(
                connection, region, request, ImportReport, lambda: importing.commit(connection)
            )


async def _read(needs: Dependencies, request: ImportPointsRequest) -> "_Import":
    table = await asyncio.to_thread(read_apart, request.file.data)
    return _Import(needs, request, table, headings_of(table))


@dataclass(slots=True)
class _Import:
    needs: Dependencies
    request: ImportPointsRequest
    table: Table
    headings: list[Heading]
    plan: Plan = field(init=False)

    async def commit(self, connection: Connection) -> ImportReport:
        """Write the file; the transaction is undone by any error."""
        await imports.wait_for_others(connection, last_id(self.request.parent))
        try:
            report = await self.run(connection)
        except asyncpg.UniqueViolationError as error:
            raise ImportOvertaken("a code of the file was just created; repeat") from error
        if report.errors:
            raise ImportRefused(report)
        report.committed = True
        await history.link(connection)
        return report

    async def run(self, connection: Connection) -> ImportReport:
        """Plan every block and, but for a dry run, write it."""
        region = last_id(self.request.parent)
        await imports.plan_anew(connection)
        await require_region(connection, region)
        places = await imports.read_places(connection, region)
        boundaries = await self.needs.boundaries.read(connection, region)
        self.plan = Plan(
            self.headings,
            places,
            boundaries,
            guarded=self.table.guarded,
            insert_only=self.request.mode == INSERT_ONLY,
        )
        for lines in _blocks(self.table.lines):
            await self._block(connection, region, lines)
        return self.plan.finish(len(self.table.lines))

    async def _block(self, connection: Connection, region: str, lines: Sequence[Line]) -> None:
        codes = self.plan.codes(lines)
        writing = not self.request.validate_only
        stored = await imports.read_stored(connection, region, codes, lock=writing)
        foreign = await imports.read_foreign(connection, region, codes)
        block = Block(lines, stored, foreign)
        # In a thread: other calls go on while a block of rows is looked at.
        await asyncio.to_thread(self.plan.add, block)
        if writing and not self.plan.report.errors:
            await self._write(connection, region, block)

    async def _write(self, connection: Connection, region: str, block: Block) -> None:
        rows = await asyncio.to_thread(self.plan.change_rows, self.request, block)
        await imports.write(connection, block.created, block.updated, rows)
        codes = [last_id(point.name) for point in (*block.created, *block.updated)]
        written = await imports.read_stored(connection, region, codes, lock=False)
        await append(connection, await asyncio.to_thread(self.plan.events, block, rows, written))


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while block := list(islice(rest, BLOCK_ROWS)):
        yield block


def _violation(error: RowError) -> Violation:
    held = f" (it is {error.value!r})" if error.value else ""
    place = f"row {error.row}, {error.column}" if error.column else f"row {error.row}"
    return Violation(place, error.message + held, error.reason)
