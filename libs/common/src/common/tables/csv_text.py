"""Reads CSV as spreadsheets write it: of any common encoding and separator."""

import codecs
import csv
import io
import re

from common.tables.table import FileRefused, Table, table_of

DELIMITERS = ",;\t|"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n")
SAVE_AS = "save it as 'CSV UTF-8'"


def read_csv(content: bytes) -> Table:
    """Return the table in a CSV file; see `decoded` and `csv_table`.

    Raises:
        FileRefused: The file is empty, broken or too large inside.
    """
    if not content.strip():
        raise FileRefused("FILE_EMPTY", "the file is empty")
    return csv_table(decoded(content))


def decoded(content: bytes) -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark, or UTF-16 with one.

    Raises:
        FileRefused: It is in neither.
    """
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


def csv_table(text: str) -> Table:
    """Return the table in a text whose cells are separated by comma, semicolon, tab or bar.

    Raises:
        FileRefused: A quotation mark is not closed, or the table is none or too large.
    """
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
