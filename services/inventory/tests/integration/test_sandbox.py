"""Files made to hurt their reader: they end a process of their own, and are refused."""

import io
import json
import zipfile

import pytest
from common.tables.table import FileRefused
from inventory.files.sandbox import read_apart
from inventory.files.xlsx import write_xlsx

BOOK = write_xlsx(("point_id",), [("A",)])


def changed(part: str, old: bytes, new: bytes) -> bytes:
    """Return the workbook with `old` replaced in one of its parts."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(BOOK)) as book,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for info in book.infolist():
            content = book.read(info)
            if info.filename == part:
                assert old in content
                content = content.replace(old, new)
            made.writestr(info.filename, content)
    return file.getvalue()


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        read_apart(content)
    (violation,) = refused.value.violations
    return violation.reason


def test_what_is_read_apart_is_what_was_written() -> None:
    table = read_apart(BOOK)
    assert table.headings == ("point_id",)
    assert [(line.number, list(line.cells)) for line in table.lines] == [(2, ["A"])]
    assert table.guarded


@pytest.mark.parametrize(
    "cell", [b'r="XFD1048576"', b"r='XFD1048576'", b'q="' + b"x" * 200 + b'" r="XFD1048576"']
)
def test_a_cell_in_the_last_corner_ends_only_its_reader(cell: bytes) -> None:
    assert refusal(changed("xl/worksheets/sheet1.xml", b'r="A2"', cell)) == "FILE_TOO_HUNGRY"


def test_one_long_text_in_very_many_cells_is_refused() -> None:
    rows = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>' + "x" * 30_000 + "</t></is></c></row>"
        for n in range(3, 4000)
    )
    end = b"</sheetData>"
    content = changed("xl/worksheets/sheet1.xml", end, rows.encode() + end)
    assert len(content) < 1024 * 1024
    assert refusal(content) == "TEXT_TOO_LONG"


def test_geojson_with_a_property_of_its_own_in_every_feature_is_refused() -> None:
    features = [
        {"type": "Feature", "geometry": None, "properties": {f"k{n}": 1}} for n in range(50_000)
    ]
    document = {"type": "FeatureCollection", "features": features}
    assert refusal(json.dumps(document).encode()) == "COLUMNS_TOO_MANY"


def test_json_of_very_many_empty_objects_is_refused() -> None:
    content = b'{"type":"FeatureCollection","features":[' + b"{}," * 10_000_000 + b"{}]}"
    assert refusal(content) == "FILE_TOO_HUNGRY"
