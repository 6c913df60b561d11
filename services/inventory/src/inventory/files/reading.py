"""Reads a file of points, whatever its name says it is: CSV, XLSX or GeoJSON by its content."""

import codecs
import csv
import io
from collections.abc import Sequence

from inventory.files.geojson import read_geojson
from inventory.files.table import MAX_ROWS, FileRefused, Table, table_of
from inventory.files.xlsx import read_xlsx

DELIMITERS = ",;\t|"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SAVE_AS = "save it as 'CSV UTF-8' or as XLSX"


def read_table(content: bytes) -> Table:
    """Return the table in the file.

    CSV may be UTF-8 with or without a byte-order mark or UTF-16 with one, and separated by comma,
    semicolon, tab or bar.

    Raises:
        FileRefused: The file is empty, broken, too large inside, or no table at all.
    """
    if not content.strip():
        raise FileRefused("FILE_EMPTY", "the file is empty")
    if content.startswith(b"PK\x03\x04"):
        return read_xlsx(content)
    text = _decoded(content)
    if text.lstrip().startswith("{"):
        return read_geojson(text)
    return table_of(_records(text))


def _decoded(content: bytes) -> str:
    encoding = "utf-16" if content.startswith(UTF16_MARKS) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        sentence = f"byte 0x{byte:02X} in line {line} is not {encoding[:6].upper()}; {SAVE_AS}"
        raise FileRefused("ENCODING_WRONG", sentence) from error
    if "\x00" in text:
        raise FileRefused("ENCODING_WRONG", f"the file is no text that we know; {SAVE_AS}")
    return text


def _records(text: str) -> list[Sequence[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    rows: list[Sequence[str]] = []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > 2 * MAX_ROWS:
                raise FileRefused("ROWS_TOO_MANY", f"at most {MAX_ROWS} rows are allowed")
    except csv.Error as error:
        sentence = f"line {reader.line_num}: {error}; look for a quotation mark that is not closed"
        raise FileRefused("CSV_BROKEN", sentence) from error
    return rows


def _delimiter(text: str) -> str:
    """Return the separator that the header uses most; a comma when it uses none."""
    header = text.lstrip("\r\n").split("\n", 1)[0]
    return max(DELIMITERS, key=header.count)
