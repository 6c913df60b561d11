"""Importing measurements from files of other measurers: right rows are taken, wrong ones told."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from common.names import last_id
from common.tables.csv_text import read_csv
from common.tables.table import Line, Table
from smartcity.monitoring.v1.measurement_pb2 import ReportMeasurementsRequest
from smartcity.monitoring.v1.measurement_transfer_pb2 import (
    ImportMeasurementsRequest,
    ImportMeasurementsResponse,
)

from monitoring.formats.columns import EXTERNAL_IDS, places_of
from monitoring.formats.rows import FORMS, Row
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.report_measurements import judge_measurements, report_measurements
from monitoring.storage import points

BLOCK_ROWS = 10_000
MOST_LISTED = 10_000
ABOUT_TIME = {"IN_THE_FUTURE", "TOO_OLD"}
Owners = Mapping[str, Mapping[str, Sequence[str]]]
"""Ids of points by the key of an external id and its value."""


async def import_measurements(
    needs: Dependencies, request: ImportMeasurementsRequest
) -> ImportMeasurementsResponse:
    """Take the rows of a file that are right, or report what would happen.

    Raises:
        FileRefused, ColumnsMissing: The file is no such table; also for a dry run.
        BusAway: Not all rows could be stored; imported again, none is doubled.
    """
    table = await asyncio.to_thread(read_csv, request.file.data)
    importing = _Import(needs, request, places_of(table, FORMS[request.format].columns))
    return await importing.run(table)


@dataclass(slots=True)
class _Import:
    needs: Dependencies
    request: ImportMeasurementsRequest
    places: Mapping[str, int]
    report: ImportMeasurementsResponse = field(default_factory=ImportMeasurementsResponse)

    async def run(self, table: Table) -> ImportMeasurementsResponse:
        report = self.report
        for lines in _blocks(table.lines):
            rows = await asyncio.to_thread(self._rows, lines)
            await self._find_points(rows)
            await self._take([row for row in rows if not row.errors])
            self._count(rows)
        report.committed = not self.request.validate_only
        return report

    def _rows(self, lines: Sequence[Line]) -> list[Row]:
        form = FORMS[self.request.format]
        return [form.read(line, self.places) for line in lines]

    async def _find_points(self, rows: Sequence[Row]) -> None:
        parent, owners = self.request.parent, {}
        async with self.needs.database.read() as connection:
            for key in EXTERNAL_IDS.values():
                values = {row.schools[key] for row in rows if key in row.schools}
                owners[key] = await points.by_external_id(connection, last_id(parent), key, values)
        for row in rows:
            _set_point(row, parent, owners)

    async def _take(self, rows: Sequence[Row]) -> None:
        """Take the rows, or judge them for a dry run; those that are not taken get an error."""
        if not rows:
            return
        batch = ReportMeasurementsRequest(
            parent=self.request.parent, measurements=[row.measurement for row in rows]
        )
        if self.request.validate_only:
            rejections = await judge_measurements(self.needs, batch)
        else:
            rejections = list((await report_measurements(self.needs, batch)).rejections)
        time = FORMS[self.request.format].columns.time
        for rejection in rejections:
            column = time if rejection.reason in ABOUT_TIME else ""
            rows[rejection.index].refuse(column, rejection.reason, rejection.message)

    def _count(self, rows: Sequence[Row]) -> None:
        report = self.report
        rejected = sum(bool(row.errors) for row in rows)
        errors = [error for row in rows for error in row.errors]
        report.row_count += len(rows)
        report.rejected_count += rejected
        report.accepted_count += len(rows) - rejected
        report.error_count += len(errors)
        report.errors.extend(errors[: MOST_LISTED - len(report.errors)])


def _set_point(row: Row, parent: str, owners: Owners) -> None:
    schools = row.schools
    found = {owner for key, value in schools.items() for owner in owners[key].get(value, ())}
    if len(found) == 1:
        row.measurement.point = f"{parent}/points/{found.pop()}"
    elif schools:
        column = next(column for column, key in EXTERNAL_IDS.items() if key in schools)
        said = " or ".join(f"{key}={value[:100]}" for key, value in schools.items())
        if found:
            listed = ", ".join(sorted(found)[:5])
            row.refuse(column, "SCHOOL_AMBIGUOUS", f"{said} is of several points: {listed}")
        else:
            sentence = f"no point of {parent} has the external id {said}"
            row.refuse(column, "SCHOOL_UNKNOWN", sentence)


def _blocks(lines: Sequence[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while block := list(islice(rest, BLOCK_ROWS)):
        yield block
