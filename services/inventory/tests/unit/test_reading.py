import io
import zipfile
from collections.abc import Sequence

import pytest
from common.tables.table import FileRefused
from hypothesis import given
from hypothesis import strategies as st
from inventory.files.point_columns import COLUMNS, ColumnsWrong, guarded, headings_of, unguarded
from inventory.files.reading import read_table
from inventory.files.xlsx import write_xlsx
from rustpy_xlsxwriter import write_worksheet

TEXT = "point_id,display_name\nA,Sekolah é\n"
ROWS = [["A", "Sekolah é"]]


def cells(content: bytes) -> list[list[str]]:
    return [list(line.cells) for line in read_table(content).lines]


def refusal(content: bytes) -> str:
    with pytest.raises(FileRefused) as refused:
        read_table(content)
    (violation,) = refused.value.violations
    return violation.reason


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.encode() + b"\n\n,\n",
    ],
    ids=["utf-8", "bom", "utf-16", "crlf", "semicolon", "tab", "blank lines"],
)
def test_the_usual_kinds_of_csv_are_read_alike(content: bytes) -> None:
    assert cells(content) == ROWS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "FILE_EMPTY"),
        (b" \n ", "FILE_EMPTY"),
        (b"point_id,display_name\n", "ROWS_MISSING"),
        (b",,\nA,B,C\n", "HEADER_MISSING"),
        (TEXT.encode("latin-1"), "ENCODING_WRONG"),
        (b"\x00\x01\x02\x03", "ENCODING_WRONG"),
        (b'point_id,display_name\nA,"B\n', "CSV_BROKEN"),
        (b'{"type":"Feature"}', "GEOJSON_WRONG"),
        (b'{"type":', "JSON_BROKEN"),
        (b"PK\x03\x04 no zip", "XLSX_BROKEN"),
        (",".join(f"c{i}" for i in range(100_000)).encode() + b"\nA\n", "COLUMNS_TOO_MANY"),
        (b"point_id\n" + b"A\n" * 100_001, "ROWS_TOO_MANY"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    assert refusal(content) == reason


def test_the_line_of_a_wrong_byte_is_named() -> None:
    with pytest.raises(FileRefused, match="byte 0xE9 in line 2 is not UTF-8"):
        read_table(TEXT.encode("latin-1"))


def test_rows_are_numbered_as_a_spreadsheet_numbers_them() -> None:
    table = read_table(b"point_id\n\nA\n,\nB\n")
    assert [(line.number, line.cells[0]) for line in table.lines] == [(3, "A"), (5, "B")]


def workbook(rows: Sequence[dict[str, object]]) -> bytes:
    file = io.BytesIO()
    write_worksheet(list(rows), file, "points")
    return file.getvalue()


def test_numbers_of_a_workbook_are_read_as_people_see_them() -> None:
    assert cells(workbook([{"point_id": 30405272.0, "latitude": -1.25}])) == [["30405272", "-1.25"]]


def test_a_zip_bomb_is_refused_by_what_it_unpacks_to() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * (300 * 1024 * 1024))
    assert len(file.getvalue()) < 1024 * 1024
    assert refusal(file.getvalue()) == "XLSX_TOO_LARGE"


def test_a_workbook_with_a_password_is_refused() -> None:
    file = bytearray(workbook([{"point_id": "A"}]))
    place = file.rindex(b"PK\x01\x02")
    file[place + 8] |= 1  # the flag of the last part in the directory
    assert refusal(bytes(file)) == "XLSX_LOCKED"


def test_a_separator_line_is_obeyed_and_counted() -> None:
    table = read_table(b"sep=;\r\npoint_id;display_name\r\nA;B,C\r\n")
    assert table.headings == ("point_id", "display_name")
    assert [(line.number, list(line.cells)) for line in table.lines] == [(3, ["A", "B,C"])]


def test_a_cell_longer_than_a_workbooks_is_refused() -> None:
    assert refusal(b"point_id\n" + b"A" * 40_000) == "TEXT_TOO_LONG"


def test_a_truncated_workbook_is_refused() -> None:
    assert refusal(workbook([{"point_id": "A"}])[:-200]) == "XLSX_BROKEN"


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"])), min_size=13, max_size=13
    )
)
def test_guarding_against_formulas_loses_nothing(texts: list[str]) -> None:
    row = [*texts[:5], "-1.5", "116.2", *texts[5:10], "350", *texts[10:]]
    protected = guarded(row)
    assert [unguarded(cell) for cell in protected] == row
    assert not any(cell.startswith(("=", "+", "@")) for cell in protected)


def test_a_workbook_keeps_every_digit_and_runs_no_formula() -> None:
    latitude = -1.2345678901234567
    content = write_xlsx(("point_id", "display_name", "latitude"), [("A", "=CMD()", latitude)])
    assert cells(content) == [["A", "=CMD()", repr(latitude)]]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


def test_an_unknown_column_is_refused_with_the_nearest() -> None:
    with pytest.raises(ColumnsWrong) as refused:
        headings_of(read_table(b"point_id,latitud,zzzzz,kode\nA,1,2,3\n"))
    found = {v.field: v for v in refused.value.violations}
    assert "did you mean latitude?" in found["latitud"].message
    assert "did you mean" not in found["zzzzz"].message
    assert found["point_id"].reason == "COLUMN_TWICE"


def test_indonesian_headings_are_understood() -> None:
    headings = headings_of(read_table(b"Kode,Nama,Desa,Lintang,Bujur\nA,B,C,1,2\n"))
    assert [h.column for h in headings] == [
        "point_id",
        "display_name",
        "village",
        "latitude",
        "longitude",
    ]
    assert {h.column for h in headings} <= set(COLUMNS)
