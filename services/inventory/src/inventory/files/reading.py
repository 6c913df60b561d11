"""Reads a file of points, whatever its name says it is: CSV, XLSX or GeoJSON by its content."""

import codecs
import csv
import io
import re

from inventory.files.geojson import read_geojson
from inventory.files.table import FileRefused, Table, table_of
from inventory.files.xlsx import read_xlsx

DELIMITERS = ",;\t|"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n")
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
    return _csv_table(text)


def _decoded(content: bytes) -> str:
    utf16 = content.startswith(UTF16_MARKS)
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        sentence = f"byte 0x{byte:02X} in line {line} is not UTF-{16 if utf16 else 8}; {SAVE_AS}"
        raise FileRefused("ENCODING_WRONG", sentence) from error
    if "\x00" in text:
        raise FileRefused("ENCODING_WRONG", f"the file is no text that we know; {SAVE_AS}")
    return text


def _csv_table(text: str) -> Table:
    begin, delimiter, first_number = _header(text)
    reader = csv.reader(io.StringIO(text[begin:], newline=""), delimiter=delimiter, strict=True)
    try:
        return table_of(reader, first_number=first_number)
    except csv.Error as error:
        sentence = f"line {reader.line_num}: {error}; look for a quotation mark that is not closed"
        raise FileRefused("CSV_BROKEN", sentence) from error


def _header(text: str) -> tuple[int, str, int]:
    """Return where the header begins, the separator, and the header's row number.

    The separator is what the line `sep=;` before the header says, as some spreadsheets write it,
    or else what the header uses most; a comma when it uses none.
    """
    said = SEPARATOR_LINE.match(text)
    if said:
        return said.end(), said[1], 2
    header = text.lstrip("\r\n").split("\n", 1)[0]
    return 0, max(DELIMITERS, key=header.count), 1
