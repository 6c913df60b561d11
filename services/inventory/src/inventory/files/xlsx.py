"""Workbooks (Office Open XML): the first sheet as a table, and a table as a workbook."""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import chain

import python_calamine
from common.tables.table import FileRefused, Table, table_of
from rustpy_xlsxwriter import write_worksheet

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_PARTS = 1000
CHUNK_BYTES = 1024 * 1024
ENCRYPTED = 1  # of a part's flags
BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


def read_xlsx(content: bytes) -> Table:
    """Return the first sheet.

    Raises:
        FileRefused: No workbook, or one that unpacks to more than anybody's list of points.
    """
    try:
        _refuse_bomb(content)
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheet = book.get_sheet_by_index(0)
        rows = ([_text(cell) for cell in row] for row in sheet.iter_rows())
        return table_of(rows, first_number=1 + (sheet.start[0] if sheet.start else 0))
    except BROKEN as error:
        raise FileRefused("XLSX_BROKEN", "the file is no whole XLSX workbook") from error
    except (python_calamine.CalamineError, OSError, ValueError, IndexError) as error:
        raise FileRefused("XLSX_BROKEN", f"the workbook cannot be read: {error}") from error


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
    """Unpack every part once without keeping it: the declared sizes may lie."""
    unpacked = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if len(archive.infolist()) > MAX_PARTS:
            raise FileRefused("XLSX_TOO_LARGE", f"the workbook has more than {MAX_PARTS} parts")
        for part in archive.infolist():
            if part.flag_bits & ENCRYPTED:
                raise FileRefused("XLSX_LOCKED", "the workbook has a password; remove it")
            with archive.open(part) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    unpacked += len(chunk)
                    if unpacked > MAX_UNPACKED_BYTES:
                        sentence = "the workbook unpacks to more than 256 MiB"
                        raise FileRefused("XLSX_TOO_LARGE", sentence)


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)
