"""What an import does with each row: create, update, leave, or refuse."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from common.events.event import Event
from common.names import last_id
from common.postgres import history
from common.tables.table import SHOWN, Line
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.point_transfer_pb2 import (
    FieldChange,
    ImportPointsRequest,
    ImportReport,
    RowChange,
    RowError,
    RowWarning,
)

from inventory.domain.geography import Boundaries
from inventory.domain.places import Places
from inventory.files.point_columns import COLUMNS, Heading, cells_of, unguarded
from inventory.files.point_rows import RowReader
from inventory.operations.point_checks import set_defaults, set_warnings
from inventory.operations.publish import HISTORY, event_about

MAX_LISTED = 10_000
"""Errors, warnings and changes that a report lists; the counts are always whole."""
MAX_CHANGES_BYTES = 8 * 1024 * 1024
"""What the listed changes may hold together, so that the report can always be sent."""
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


@dataclass(slots=True)
class Block:
    """Some rows of the file with what is stored under their codes, and what is to be written."""

    lines: Sequence[Line]
    stored: Mapping[str, Point]
    foreign: Collection[str]
    """Codes that are used in another region."""
    created: list[Point] = field(default_factory=list)
    updated: list[Point] = field(default_factory=list)


class Plan:
    """Takes the rows block by block and gathers the report."""

    def __init__(
        self,
        headings: Sequence[Heading],
        places: Places,
        boundaries: Boundaries,
        *,
        guarded: bool,
        insert_only: bool,
    ) -> None:
        self.report = ImportReport()
        self._headings = headings
        self._guarded = guarded
        self._boundaries = boundaries
        self._insert_only = insert_only
        self._reader = RowReader(places)
        self._changes_bytes = 0
        self._row_of_code: dict[str, int] = {}

    def codes(self, lines: Sequence[Line]) -> list[str]:
        """Return the codes that the rows name."""
        return [self._cells(line).get("point_id", "") for line in lines]

    def add(self, block: Block) -> None:
        """Look at every row of a block."""
        for line in block.lines:
            cells = self._cells(line)
            self._look(line, cells, block)
        self._note_errors()

    def change_rows(self, request: ImportPointsRequest, block: Block) -> list[tuple[object, ...]]:
        """Return the history of a block's points."""
        rows = []
        for point in [*block.created, *block.updated]:
            stored = block.stored.get(last_id(point.name))
            states = HISTORY.snapshot(stored), HISTORY.snapshot(point)
            rows.append(history.row_of(request, "import", *states))
        return rows

    def events(
        self, block: Block, change_rows: Sequence[tuple[object, ...]], written: Mapping[str, Point]
    ) -> list[Event]:
        """Return what others are told of a block's points, as they are written now."""
        found = []
        for point, row in zip([*block.created, *block.updated], change_rows, strict=True):
            code = last_id(point.name)
            fields = history.fields_of(row)
            event = event_about("import", block.stored.get(code), written[code], fields)
            found += [event] if event else []
        return found

    def finish(self, row_count: int) -> ImportReport:
        """Return the report."""
        self.report.row_count = row_count
        return self.report

    def _cells(self, line: Line) -> dict[str, str]:
        """Return the cells by what their columns mean."""
        plain = unguarded if self._guarded else str
        pairs = zip(self._headings, line.cells, strict=False)
        return {heading.column: plain(cell.strip()) for heading, cell in pairs}

    def _look(self, line: Line, cells: dict[str, str], block: Block) -> None:
        errors = self._reader.errors
        known_errors = len(errors)
        if line.extra:
            errors.append(_too_many(line, self._headings))
            return
        errors.extend(self._code_errors(line.number, cells, block))
        stored = block.stored.get(cells["point_id"])
        point = self._reader.read(line.number, cells, stored)
        if len(errors) > known_errors:
            return
        set_defaults(point)
        if point.HasField("location"):
            set_warnings(point, self._boundaries)
        self._decide(line.number, point, stored, block)

    def _code_errors(self, number: int, cells: dict[str, str], block: Block) -> Iterator[RowError]:
        """Yield what is wrong with a row's code; cells that are missing are empty."""
        code = cells.setdefault("point_id", "")
        if not CODE.fullmatch(code):
            sentence = "must be 1 to 63 letters, digits and ._-, the first a letter or digit"
            yield _row_error(number, code, "CODE_INVALID", sentence)
            return
        first = self._row_of_code.setdefault(code, number)
        if first != number:
            yield _row_error(number, code, "CODE_TWICE", f"stands already in row {first}")
        if code in block.foreign:
            sentence = "is used in another region; a code is used once on the whole platform"
            yield _row_error(number, code, "CODE_IN_OTHER_REGION", sentence)
        if self._insert_only and code in block.stored:
            sentence = "exists already; mode=UPSERT would update it"
            yield _row_error(number, code, "CODE_EXISTS", sentence)

    def _decide(self, number: int, point: Point, stored: Point | None, block: Block) -> None:
        report, code = self.report, point.name.rpartition("/")[2]
        if stored is None:
            report.created_count += 1
            block.created.append(point)
            self._note(RowChange(row=number, point_id=code, created=True))
        elif fields := field_changes(stored, point):
            report.updated_count += 1
            block.updated.append(point)
            self._note(RowChange(row=number, point_id=code, fields=fields))
        else:
            report.unchanged_count += 1
            return
        for warning in point.warnings:
            report.warning_count += 1
            if len(report.warnings) < MAX_LISTED:
                report.warnings.append(RowWarning(row=number, point_id=code, warning=warning))

    def _note(self, change: RowChange) -> None:
        self._changes_bytes += change.ByteSize()
        if len(self.report.changes) < MAX_LISTED and self._changes_bytes < MAX_CHANGES_BYTES:
            self.report.changes.append(change)

    def _note_errors(self) -> None:
        report, errors = self.report, self._reader.errors
        report.error_count += len(errors)
        report.errors.extend(errors[: MAX_LISTED - len(report.errors)])
        errors.clear()


def field_changes(stored: Point, point: Point) -> list[FieldChange]:
    """Return the columns that differ, as an export writes them."""
    pairs = zip(COLUMNS, cells_of(stored), cells_of(point), strict=True)
    return [
        FieldChange(column=column, before=before[:SHOWN], after=after[:SHOWN])
        for column, before, after in pairs
        if before != after
    ]


def _row_error(row: int, code: str, reason: str, sentence: str) -> RowError:
    return RowError(row=row, column="point_id", value=code[:SHOWN], reason=reason, message=sentence)


def _too_many(line: Line, headings: Sequence[Heading]) -> RowError:
    sentence = (
        f"the row has more cells than the header, which has {len(headings)}; a decimal comma "
        'must stand in quotation marks ("-1,9") or be a point (-1.9)'
    )
    return RowError(row=line.number, value=line.extra, reason="CELLS_TOO_MANY", message=sentence)
