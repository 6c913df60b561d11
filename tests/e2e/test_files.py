"""Files in and out through the one port."""

import io
import zipfile

import httpx
import pytest

POINTS = "/v1/regions/64.01/points"
MIB = 1024 * 1024
HEADER = "point_id,display_name,kind,village,latitude,longitude\n"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def imported(api: httpx.AsyncClient, body: bytes, **query: str) -> httpx.Response:
    headers = {"content-type": "text/csv"}
    return await api.post(f"{POINTS}:import", params=query, content=body, headers=headers)


async def total(api: httpx.AsyncClient, query: str = "") -> int:
    answer = await api.get(POINTS, params={"pageSize": 1, "query": query})
    return int(answer.json()["totalSize"])


@pytest.mark.parametrize(
    ("form", "media_type", "name"),
    [
        ("CSV", "text/csv; charset=utf-8", "points-64.01.csv"),
        ("XLSX", XLSX, "points-64.01.xlsx"),
        ("GEOJSON", "application/geo+json", "points-64.01.geojson"),
    ],
)
async def test_what_is_exported_is_imported_again_unchanged(
    api: httpx.AsyncClient, form: str, media_type: str, name: str
) -> None:
    exported = await api.get(f"{POINTS}:export", params={"format": form, "tag": "demo"})
    assert exported.headers["content-type"] == media_type
    assert exported.headers["content-disposition"] == f'attachment; filename="{name}"'
    report = (await imported(api, exported.content, validateOnly="true")).json()
    assert (report["rowCount"], report["unchangedCount"]) == (251, 251)
    assert report["errors"] == []
    assert not report["committed"]


async def test_a_dry_run_names_every_error_of_every_row_and_changes_nothing(
    api: httpx.AsyncClient,
) -> None:
    before = await total(api)
    body = HEADER + "DRY-1,,SCOOL,Belimbingg,116.1,-1.5\nDRY-2,ok,OPD,64.01.99.0000,,\n"
    report = (await imported(api, body.encode(), validateOnly="true")).json()
    assert {(error["row"], error["column"]) for error in report["errors"]} == {
        (2, "display_name"),
        (2, "kind"),
        (2, "village"),
        (2, "latitude"),
        (3, "village"),
    }
    refused = await imported(api, body.encode())
    assert (refused.status_code, refused.json()["code"]) == (400, 3)
    assert await total(api) == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (HEADER.encode(), "no row below"),
        (b"point_id/display_name\nA/B\n", "is no known column"),
        (b"point_id,nama_sekolah,kolom\nA,B,C\n", "kolom"),
        (HEADER.encode() + b"A,\xff\xfe,OPD,,,\n", "UTF-8"),
        (b"PK\x03\x04 this is no workbook", "workbook"),
        (("point_id," + ",".join(f"c{n}" for n in range(100_000))).encode() + b"\nA", "columns"),
    ],
    ids=["empty", "header only", "delimiter", "unknown column", "bytes", "no workbook", "wide"],
)
async def test_a_file_that_is_none_is_refused_with_the_reason(
    api: httpx.AsyncClient, body: bytes, said: str
) -> None:
    refused = await imported(api, body)
    assert refused.status_code == 400, refused.text
    assert said in refused.json()["message"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_the_csv_of_any_spreadsheet_is_read(
    api: httpx.AsyncClient, encoding: str, delimiter: str
) -> None:
    row = ["E-1", '"Titik ""A"" مدرسة 🏫"', "OPD", "Keladen", '"-2,3"', '"116,4"']
    text = HEADER.replace(",", delimiter) + delimiter.join(row)
    body = text.replace("\n", "\r\n").encode(encoding)
    report = (await imported(api, body, validateOnly="true")).json()
    assert (report["createdCount"], report["errors"]) == (1, [])


async def test_a_zip_bomb_is_refused_before_it_unpacks(api: httpx.AsyncClient) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(600):
                sheet.write(bytes(MIB))
    assert len(packed.getvalue()) < MIB
    refused = await imported(api, packed.getvalue())
    assert refused.status_code == 400
    assert "unpack" in refused.json()["message"]


async def test_a_body_of_32_mb_is_taken_and_a_larger_one_refused(api: httpx.AsyncClient) -> None:
    fits = await imported(api, HEADER.encode() + b"A" * (32 * MIB - len(HEADER)))
    assert fits.status_code == 400
    assert fits.json()["code"] == 3
    too_large = await imported(api, b"A" * (33 * MIB))
    assert too_large.status_code == 413
    assert too_large.json()["details"][0]["reason"] == "BODY_TOO_LARGE"


async def test_a_formula_is_exported_as_text(api: httpx.AsyncClient) -> None:
    body = (HEADER + 'FORMULA-1,"=CMD(""calc"")",OPD,Keladen,,\n').encode()
    assert (await imported(api, body)).json()["committed"]
    exported = await api.get(f"{POINTS}:export", params={"query": "formula-1"})
    assert "\"'=CMD(" in exported.text
    report = (await imported(api, exported.content, validateOnly="true")).json()
    assert report["unchangedCount"] == 1
