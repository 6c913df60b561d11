"""The columns of a file of points: what export writes is what import reads."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from common.errors import FieldsInvalid, Violation
from common.names import last_id
from common.tables.table import Table
from rapidfuzz import fuzz, process
from smartcity.inventory.v1 import point_pb2
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.type.v1 import provenance_pb2

COLUMNS = (
    "point_id",
    "display_name",
    "kind",
    "village",
    "district",
    "latitude",
    "longitude",
    "location_source",
    "address",
    "technology",
    "tags",
    "external_ids",
    "people_served",
    "provenance",
    "source",
    "state",
)
INDONESIAN = {
    "kode": "point_id",
    "kode_titik": "point_id",
    "nama": "display_name",
    "jenis": "kind",
    "desa": "village",
    "kelurahan": "village",
    "kecamatan": "district",
    "lintang": "latitude",
    "bujur": "longitude",
    "sumber_lokasi": "location_source",
    "alamat": "address",
    "teknologi": "technology",
    "label": "tags",
    "penerima_layanan": "people_served",
    "asal_data": "provenance",
    "sumber": "source",
    "status": "state",
}
ENUMERATIONS: dict[str, Any] = {
    "kind": Point.Kind,
    "location_source": Point.LocationSource,
    "technology": point_pb2.Technology,
    "provenance": provenance_pb2.Provenance,
    "state": Point.State,
}
NUMBERS = {"latitude", "longitude", "people_served"}
FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet would run, behind any number of the marks that stop it."""


class ColumnsWrong(FieldsInvalid):
    """The header names columns that are unknown, twice there or missing."""

    reason = "COLUMNS_WRONG"


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the file: as the file spells it, and what it means."""

    spelled: str
    column: str


def headings_of(table: Table) -> list[Heading]:
    """Return what the file's columns mean.

    Raises:
        ColumnsWrong: With every column that is unknown (and the nearest that is), stands there
            twice, or is missing.
    """
    headings = [Heading(spelled, _meaning(spelled)) for spelled in table.headings]
    wrong = [_unknown(h.spelled) for h in headings if h.column not in COLUMNS]
    meant = [h.column for h in headings]
    twice = sorted({name for name in meant if name in COLUMNS and meant.count(name) > 1})
    wrong += [
        Violation(name, "stands in the header more than once", "COLUMN_TWICE") for name in twice
    ]
    if "point_id" not in meant:
        sentence = "is missing: it is the business code that says which point a row is"
        wrong.append(Violation("point_id", sentence, "COLUMN_MISSING"))
    if wrong:
        raise ColumnsWrong(wrong)
    return headings


def cells_of(point: Point) -> tuple[str, ...]:
    """Return the cells of COLUMNS, unescaped."""
    located = point.HasField("location")
    return (
        last_id(point.name),
        point.display_name,
        _name(Point.Kind, point.kind),
        last_id(point.village),
        last_id(point.district),
        repr(point.location.latitude) if located else "",
        repr(point.location.longitude) if located else "",
        _name(Point.LocationSource, point.location_source),
        point.address,
        _name(point_pb2.Technology, point.technology),
        ";".join(point.tags),
        ";".join(f"{key}={_escaped(value)}" for key, value in sorted(point.external_ids.items())),
        str(point.people_served) if point.HasField("people_served") else "",
        _name(provenance_pb2.Provenance, point.provenance),
        point.source,
        _name(Point.State, point.state),
    )


def guarded(cells: Sequence[str]) -> list[str]:
    """Return the cells with a mark before whatever a spreadsheet would run as a formula."""
    return [
        f"'{cell}" if column not in NUMBERS and FORMULA.match(cell) else cell
        for column, cell in zip(COLUMNS, cells, strict=True)
    ]


def unguarded(cell: str) -> str:
    """Return the cell without the mark that `guarded` put before it."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell[1:]) else cell


def split_list(cell: str) -> list[str]:
    """Return the parts of a cell that holds several, separated by semicolons."""
    return [part.strip() for part in cell.split(";") if part.strip()]


def split_pairs(cell: str) -> dict[str, str]:
    """Return `{"npsn": "30405272"}` for `npsn=30405272`.

    Raises:
        ValueError: A part has no `=`.
    """
    pairs = {}
    for part in split_list(cell):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError(part)
        pairs[key.strip()] = unquote(value.strip())
    return pairs


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace(";", "%3B")


def _meaning(spelled: str) -> str:
    plain = re.sub(r"[\s-]+", "_", spelled.strip().lower())
    return INDONESIAN.get(plain, plain)


def _unknown(spelled: str) -> Violation:
    nearest = process.extractOne(_meaning(spelled), COLUMNS, scorer=fuzz.ratio, score_cutoff=60)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    sentence = f"is no known column; {hint}allowed are {', '.join(COLUMNS)}"
    return Violation(spelled[:100], sentence, "COLUMN_UNKNOWN")


@cache
def _names(wrapper: Any) -> dict[int, str]:
    return {number: text if number else "" for text, number in wrapper.items()}


def _name(wrapper: Any, number: int) -> str:
    return _names(wrapper)[number]
