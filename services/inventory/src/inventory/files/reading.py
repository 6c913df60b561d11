"""Reads a file of points, whatever its name says it is: CSV, XLSX or GeoJSON by its content."""

from common.tables.csv_text import csv_table, decoded
from common.tables.table import FileRefused, Table

from inventory.files.geojson import read_geojson
from inventory.files.xlsx import read_xlsx


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
    text = decoded(content)
    if text.lstrip().startswith("{"):
        return read_geojson(text)
    return csv_table(text)
