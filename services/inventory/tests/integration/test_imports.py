import asyncio
from typing import Any

import grpc
import pytest
from common.rpc.refusals import Refusal, refusal_of
from google.api.httpbody_pb2 import HttpBody
from inventory.testing import Inventory
from smartcity.inventory.v1 import change_pb2, point_pb2
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.point_transfer_pb2 import (
    CSV,
    GEOJSON,
    INSERT_ONLY,
    XLSX,
    ExportFormat,
    ExportPointsRequest,
    FindDuplicatePointsRequest,
    ImportPointsRequest,
    ImportReport,
)

REGION = "regions/64.01"
HEADER = "point_id,display_name,kind,village,latitude,longitude,tags\n"
ROW = "A-1,Sekolah,SCHOOL,64.01.06.2012,-1.32,115.95,x;y\n"


async def load(inventory: Inventory, content: str | bytes, **more: Any) -> ImportReport:
    body = content if isinstance(content, bytes) else content.encode()
    request = ImportPointsRequest(parent=REGION, file=HttpBody(data=body), **more)
    return await inventory.stub.ImportPoints(request)


async def refused(inventory: Inventory, content: str | bytes, **more: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await load(inventory, content, **more)
    return refusal_of(failed.value)


async def export(inventory: Inventory, form: ExportFormat.ValueType, **filters: Any) -> bytes:
    request = ExportPointsRequest(parent=REGION, format=form, **filters)
    return b"".join([part.data async for part in inventory.stub.ExportPoints(request)])


async def points(inventory: Inventory) -> list[Point]:
    request = point_pb2.ListPointsRequest(parent=REGION, page_size=1000)
    return list((await inventory.stub.ListPoints(request)).points)


async def test_a_dry_run_reports_and_writes_nothing(inventory: Inventory) -> None:
    report = await load(inventory, HEADER + ROW, validate_only=True)
    assert (report.committed, report.created_count, report.row_count) == (False, 1, 1)
    assert await points(inventory) == []


async def test_an_import_creates_updates_and_leaves(inventory: Inventory) -> None:
    await load(inventory, HEADER + ROW + ROW.replace("A-1", "A-2"))
    report = await load(
        inventory,
        HEADER + ROW.replace("Sekolah", "Baru").replace("x;y", "x") + ROW.replace("A-1", "A-2"),
    )
    assert report.committed
    assert (report.created_count, report.updated_count, report.unchanged_count) == (0, 1, 1)
    (change,) = report.changes
    assert [(f.column, f.before, f.after) for f in change.fields] == [
        ("display_name", "Sekolah", "Baru"),
        ("tags", "x;y", "x"),
    ]
    assert (await points(inventory))[0].display_name == "Baru"


async def test_an_import_is_in_the_history_of_each_point(inventory: Inventory) -> None:
    await load(inventory, HEADER + ROW, request_id="r-1")
    name = f"{REGION}/points/A-1"
    history = await inventory.stub.ListChanges(change_pb2.ListChangesRequest(name=name))
    assert [(c.action, c.request_id) for c in history.changes] == [("import", "r-1")]


async def test_one_wrong_row_keeps_all_rows_out_and_every_error_is_told(
    inventory: Inventory,
) -> None:
    wrong = "A-2,,SCHOL,64.01.99.0000,116,-1,\nA-1,Lagi,OPD,Belimbing,,,\n"
    refusal = await refused(inventory, HEADER + ROW + wrong)
    assert refusal.reason == "IMPORT_REFUSED"
    assert set(refusal.fields) == {
        "row 3, display_name",
        "row 3, kind",
        "row 3, village",
        "row 3, latitude",
        "row 4, point_id",
    }
    assert await points(inventory) == []
    report = await load(inventory, HEADER + ROW + wrong, validate_only=True)
    assert [(e.row, e.column) for e in report.errors] == [
        (3, "kind"),
        (3, "latitude"),
        (3, "village"),
        (3, "display_name"),
        (4, "point_id"),
    ]


async def test_insert_only_refuses_a_code_that_exists(inventory: Inventory) -> None:
    await load(inventory, HEADER + ROW)
    report = await load(inventory, HEADER + ROW, mode=INSERT_ONLY, validate_only=True)
    assert [error.reason for error in report.errors] == ["CODE_EXISTS"]


async def test_a_code_of_another_region_is_refused(inventory: Inventory) -> None:
    request = ImportPointsRequest(parent="regions/64.09")
    request.file.data = b"point_id,display_name,kind,district\nA-1,x,OPD,64.09.01\n"
    assert (await inventory.stub.ImportPoints(request)).committed
    refusal = await refused(inventory, HEADER + ROW)
    assert "another region" in refusal.fields["row 2, point_id"]


async def test_a_code_that_is_none_is_refused(inventory: Inventory) -> None:
    report = await load(
        inventory,
        HEADER + ROW.replace("A-1", "a b") + ",,,\n\nA,B,C,D,E,F,G,H\n",
        validate_only=True,
    )
    assert [(e.row, e.reason) for e in report.errors] == [
        (2, "CODE_INVALID"),
        (5, "CELLS_TOO_MANY"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "FILE_REFUSED"),
        (HEADER, "FILE_REFUSED"),
        ("point_id/display_name\nA/B\n", "COLUMNS_WRONG"),
        ("point_id,displayname\nA,B\n", "COLUMNS_WRONG"),
        (HEADER.encode() + b"A,\xff,OPD\n", "FILE_REFUSED"),
    ],
)
async def test_a_file_that_is_no_list_of_points_is_refused_even_in_a_dry_run(
    inventory: Inventory, content: str | bytes, reason: str
) -> None:
    assert (await refused(inventory, content, validate_only=True)).reason == reason


async def test_names_of_every_kind_go_round(inventory: Inventory) -> None:
    names = ['a "quoted" one', "😀 عربي ไทย", "=CMD()", "'=x", "-1", "+62", "a;b,c", "x" * 200]
    for number, name in enumerate(names):
        await inventory.stub.CreatePoint(
            point_pb2.CreatePointRequest(
                parent=REGION,
                point_id=f"N-{number}",
                point=Point(
                    display_name=name, kind=Point.OPD, district=f"{REGION}/districts/64.01.04"
                ),
            )
        )
    before = await points(inventory)
    for form in (CSV, XLSX, GEOJSON):
        report = await load(inventory, await export(inventory, form))
        assert (report.unchanged_count, report.row_count) == (len(names), len(names))
    assert await points(inventory) == before


async def test_an_export_never_shows_a_formula_or_a_contact(inventory: Inventory) -> None:
    point = Point(display_name="=CMD()", kind=Point.OPD, district=f"{REGION}/districts/64.01.04")
    point.contact.phone = "0812345678"
    request = point_pb2.CreatePointRequest(parent=REGION, point_id="N-1", point=point)
    await inventory.stub.CreatePoint(request)
    text = (await export(inventory, CSV)).decode("utf-8-sig")
    assert "N-1,'=CMD(),OPD" in text
    assert "678" not in text


async def test_an_export_obeys_its_filters(inventory: Inventory) -> None:
    await load(inventory, HEADER + ROW + ROW.replace("A-1", "A-2").replace("SCHOOL", "OPD"))
    text = (await export(inventory, CSV, kind=[Point.OPD])).decode("utf-8-sig")
    assert [line.split(",")[0] for line in text.splitlines()] == ["point_id", "A-2"]


async def test_an_empty_region_exports_a_header(inventory: Inventory) -> None:
    assert (await export(inventory, CSV)).decode("utf-8-sig").startswith("point_id,")
    assert (
        (await refused(inventory, await export(inventory, XLSX)))
        .fields["file"]
        .startswith("the file has a header")
    )


async def test_two_imports_of_one_file_at_once_create_each_point_once(
    inventory: Inventory,
) -> None:
    rows = "".join(ROW.replace("A-1", f"A-{number}") for number in range(1500))
    reports = await asyncio.gather(*(load(inventory, HEADER + rows) for _ in range(2)))
    assert sorted(report.created_count for report in reports) == [0, 1500]
    assert sorted(report.unchanged_count for report in reports) == [0, 1500]


async def test_the_same_request_id_imports_once(inventory: Inventory) -> None:
    first = await load(inventory, HEADER + ROW, request_id="r-1")
    assert await load(inventory, HEADER + ROW, request_id="r-1") == first


async def test_a_client_that_goes_away_leaves_nothing(inventory: Inventory) -> None:
    rows = "".join(ROW.replace("A-1", f"A-{number}") for number in range(20_000))
    call = asyncio.ensure_future(load(inventory, HEADER + rows))
    await until(lambda: holds_import_lock(inventory))
    call.cancel()
    await until(lambda: nobody_imports(inventory))
    assert await points(inventory) == []
    assert (await load(inventory, HEADER + ROW)).committed


IMPORT_LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"


async def holds_import_lock(inventory: Inventory) -> bool:
    async with inventory.database.read() as connection:
        return bool(await connection.fetchval(IMPORT_LOCKS))


async def nobody_imports(inventory: Inventory) -> bool:
    return not await holds_import_lock(inventory)


async def until(condition: Any) -> None:
    """Wait for what must come true within ten seconds."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - PostgreSQL sends no event for locks
            await asyncio.sleep(0.005)


async def test_possible_duplicates_are_found_with_their_reasons(inventory: Inventory) -> None:
    twin = ROW.replace("A-1", "A-2").replace("Sekolah", "SEKOLAH.")
    far = "A-3,Kantor,OPD,64.01.04.2002,,,\n"
    await load(inventory, HEADER + ROW + twin + far)
    found = await inventory.stub.FindDuplicatePoints(FindDuplicatePointsRequest(parent=REGION))
    (pair,) = found.pairs
    assert (pair.first.name, pair.second.name) == (f"{REGION}/points/A-1", f"{REGION}/points/A-2")
    assert (list(pair.reasons), pair.distance_m) == (["NEAR", "SIMILAR_NAME"], 0)
    other = FindDuplicatePointsRequest(parent=REGION, point=f"{REGION}/points/A-3")
    assert (await inventory.stub.FindDuplicatePoints(other)).total_size == 0
