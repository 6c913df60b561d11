"""Workbooks (Office Open XML): the first sheet as a table, and a table as a workbook."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import chain

import python_calamine
from rustpy_xlsxwriter import write_worksheet

from inventory.files.table import MAX_COLUMNS, MAX_ROWS, FileRefused, Table, table_of

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_PARTS = 1000
CHUNK_BYTES = 1024 * 1024
CELL = re.compile(rb'<c [^>]{0,80}?r="([A-Z]{1,4})(\d{1,8})"')
OVERLAP_BYTES = 120


def read_xlsx(content: bytes) -> Table:
    """Return the first sheet.

    Raises:
        FileRefused: No workbook, or one that unpacks to more than anybody's list of points.
    """
    try:
        _refuse_bomb(content)
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = book.get_sheet_by_index(0)
        rows = [[_text(cell) for cell in row] for row in sheet.iter_rows()]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise FileRefused("XLSX_BROKEN", "the file is no whole XLSX workbook") from error
    except (python_calamine.CalamineError, OSError, ValueError, IndexError) as error:
        raise FileRefused("XLSX_BROKEN", f"the workbook cannot be read: {error}") from error
    return table_of([[""]] * (sheet.start[0] if sheet.start else 0) + rows)


def write_xlsx(headings: Sequence[str], rows: Iterable[Sequence[str | float]]) -> bytes:
    """Return a workbook with one sheet; texts are never formulas, numbers keep every digit."""
    named = (dict(zip(headings, row, strict=True)) for row in rows)
    first = next(named, dict.fromkeys(headings, ""))
    file = io.BytesIO()
    write_worksheet(
        chain([first], named), file, "points", freeze_row=1, freeze_col=1, bold_headers=True
    )
    return file.getvalue()


def _refuse_bomb(content: bytes) -> None:
    """Unpack every part once without keeping it, counting what really comes out.

    The declared sizes may lie, and a single cell in the last corner makes readers allocate the
    whole sheet, so the cells' places are looked at as well.
    """
    unpacked = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if len(archive.infolist()) > MAX_PARTS:
            raise FileRefused("XLSX_TOO_LARGE", f"the workbook has more than {MAX_PARTS} parts")
        for part in archive.infolist():
            is_sheet = part.filename.startswith("xl/worksheets/")
            tail = b""
            with archive.open(part) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    unpacked += len(chunk)
                    if unpacked > MAX_UNPACKED_BYTES:
                        sentence = "the workbook unpacks to more than 256 MiB"
                        raise FileRefused("XLSX_TOO_LARGE", sentence)
                    if is_sheet:
                        _refuse_far_cells(tail + chunk)
                        tail = chunk[-OVERLAP_BYTES:]


def _refuse_far_cells(xml: bytes) -> None:
    for letters, digits in CELL.findall(xml):
        if int(digits) > 2 * MAX_ROWS or _column(letters) > MAX_COLUMNS:
            place = (letters + digits).decode()
            sentence = f"cell {place} lies beyond {MAX_COLUMNS} columns or {MAX_ROWS} rows"
            raise FileRefused("XLSX_TOO_LARGE", sentence)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
