"""A table as it stands in a file: headings and rows of text."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from common.errors import FieldsInvalid, Violation

MAX_ROWS = 100_000
MAX_COLUMNS = 100
MAX_CELL = 32_767
"""Characters in one cell; what a workbook's cell may hold."""
MAX_TEXT = 64 * 1024 * 1024
"""Characters in all cells together."""
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number as a spreadsheet counts it (the header is row 1) and its cells.

    `extra` begins what stands in cells beyond the header, "" when they are blank.
    """

    number: int
    cells: Sequence[str]
    extra: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The headings as the file spells them, and the rows that are not blank."""

    headings: tuple[str, ...]
    lines: list[Line]
    guarded: bool
    """Whether a spreadsheet may have had it, so that what looks like a formula bears a mark."""


class FileRefused(FieldsInvalid):
    """The file cannot be read as a table; nothing of it was used."""

    reason = "FILE_REFUSED"

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__([Violation("file", sentence, reason)])


def table_of(
    rows: Iterable[Sequence[str]], *, guarded: bool = True, first_number: int = 1
) -> Table:
    """Return the table whose first row is the header; that row has `first_number`.

    Raises:
        FileRefused: There is no header, no row below it, or too much of either.
    """
    remaining = iter(rows)
    headings = _headings(next(remaining, ()))
    lines = list(_lines(remaining, len(headings), first_number + 1))
    if not lines:
        raise FileRefused("ROWS_MISSING", "the file has a header but no row below it")
    return Table(headings, lines, guarded)


def _headings(row: Sequence[str]) -> tuple[str, ...]:
    end = len(row)
    while end and not row[end - 1].strip():
        end -= 1
    if not end:
        raise FileRefused("HEADER_MISSING", "the first row must hold the columns' names")
    if end > MAX_COLUMNS:
        sentence = f"the header has {end} columns; at most {MAX_COLUMNS} are allowed"
        raise FileRefused("COLUMNS_TOO_MANY", sentence)
    return tuple(cell.strip() for cell in row[:end])


def _lines(rows: Iterator[Sequence[str]], width: int, number: int) -> Iterator[Line]:
    found, length = 0, 0
    for place, row in enumerate(rows, start=number):
        if place > number + 2 * MAX_ROWS:
            raise _too_many_rows()
        if not any(cell and not cell.isspace() for cell in row):
            continue
        found += 1
        length += sum(map(len, row))
        if found > MAX_ROWS:
            raise _too_many_rows()
        if length > MAX_TEXT or max(map(len, row)) > MAX_CELL:
            sentence = (
                f"row {place}: a cell may have {MAX_CELL} characters, all cells together {MAX_TEXT}"
            )
            raise FileRefused("TEXT_TOO_LONG", sentence)
        yield Line(place, row[:width], " ".join(row[width:]).strip()[:SHOWN])


def _too_many_rows() -> FileRefused:
    sentence = f"the file has more than {MAX_ROWS} rows, which is what one import may have"
    return FileRefused("ROWS_TOO_MANY", sentence)
