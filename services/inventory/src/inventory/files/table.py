"""A table as it stands in a file: headings and rows of text."""

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import FieldsInvalid, Violation

MAX_ROWS = 100_000
MAX_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number as a spreadsheet counts it (the header is row 1) and its cells."""

    number: int
    cells: Sequence[str]


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


def table_of(rows: Sequence[Sequence[str]], *, guarded: bool = True) -> Table:
    """Return the table whose first row is the header.

    Raises:
        FileRefused: There is no header, no row below it, or too much of either.
    """
    if not rows or not any(cell.strip() for cell in rows[0]):
        raise FileRefused("HEADER_MISSING", "the first row must hold the columns' names")
    headings = _trimmed(rows[0])
    if len(headings) > MAX_COLUMNS:
        sentence = f"the header has {len(headings)} columns; at most {MAX_COLUMNS} are allowed"
        raise FileRefused("COLUMNS_TOO_MANY", sentence)
    lines = [
        Line(number, row)
        for number, row in enumerate(rows[1:], start=2)
        if any(cell and not cell.isspace() for cell in row)
    ]
    if not lines:
        raise FileRefused("ROWS_MISSING", "the file has a header but no row below it")
    if len(lines) > MAX_ROWS:
        sentence = f"the file has {len(lines)} rows; at most {MAX_ROWS} are allowed in one import"
        raise FileRefused("ROWS_TOO_MANY", sentence)
    return Table(headings, lines, guarded)


def _trimmed(header: Sequence[str]) -> tuple[str, ...]:
    end = len(header)
    while end and not header[end - 1].strip():
        end -= 1
    return tuple(cell.strip() for cell in header[:end])
