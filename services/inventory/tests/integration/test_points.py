import asyncio
from typing import Any

import grpc
import pytest
from common.postgres.database import open_database
from google.protobuf.field_mask_pb2 import FieldMask
from inventory.testing import Inventory, refused
from smartcity.inventory.v1 import change_pb2, point_pb2
from smartcity.inventory.v1.point_pb2 import Point

REGION = "regions/64.01"
NAME = f"{REGION}/points/PSR-9001"
BELIMBING = f"{REGION}/villages/64.01.06.2012"


def draft(**changes: Any) -> Point:
    point = Point(display_name="SD Belimbing", kind=Point.SCHOOL, village=BELIMBING)
    point.location.latitude, point.location.longitude = -1.32, 115.95
    point.MergeFrom(Point(**changes))
    return point


async def create(inventory: Inventory, point_id: str = "PSR-9001", **more: Any) -> Point:
    point = more.pop("point", None) or draft()
    return await inventory.stub.CreatePoint(
        point_pb2.CreatePointRequest(parent=REGION, point_id=point_id, point=point, **more)
    )


async def listed(inventory: Inventory, **filters: Any) -> list[str]:
    request = point_pb2.ListPointsRequest(parent=REGION, **filters)
    response = await inventory.stub.ListPoints(request)
    assert response.total_size == len(response.points)
    return [point.name.rpartition("/")[2] for point in response.points]


async def test_a_created_point_is_planned_and_lies_in_its_village_s_district(
    inventory: Inventory,
) -> None:
    point = await create(inventory)
    assert point.state == Point.PLANNED
    assert point.district == f"{REGION}/districts/64.01.06"
    assert point.etag
    assert await inventory.stub.GetPoint(point_pb2.GetPointRequest(name=NAME)) == point


async def test_the_same_request_id_gives_the_same_answer(inventory: Inventory) -> None:
    first = await create(inventory, request_id="r-1")
    assert await create(inventory, request_id="r-1") == first
    refusal = await refused(create(inventory, request_id="r-1", point=draft(address="x")))
    assert (refusal.reason, list(refusal.fields)) == ("REQUEST_ID_REUSED", ["requestId"])


async def test_ten_calls_at_once_with_one_request_id_create_one_point(inventory: Inventory) -> None:
    answers = await asyncio.gather(*(create(inventory, request_id="r-1") for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert await listed(inventory) == ["PSR-9001"]


async def test_a_code_is_used_once(inventory: Inventory) -> None:
    await create(inventory)
    refusal = await refused(create(inventory))
    assert refusal.code == grpc.StatusCode.ALREADY_EXISTS


async def test_a_code_of_another_region_is_taken(inventory: Inventory) -> None:
    await create(inventory)
    ppu = Point(display_name="x", kind=Point.OPD, district="regions/64.09/districts/64.09.01")
    request = point_pb2.CreatePointRequest(parent="regions/64.09", point_id="PSR-9001", point=ppu)
    refusal = await refused(inventory.stub.CreatePoint(request))
    assert refusal.reason == "POINT_CODE_TAKEN"
    assert "64.01" not in refusal.message


async def test_every_wrong_field_is_named_at_once(inventory: Inventory) -> None:
    wrong = Point(display_name="", kind=99, village=f"{REGION}/villages/64.01.99.9999")  # type: ignore[arg-type]
    wrong.location.latitude = 116
    refusal = await refused(create(inventory, point=wrong))
    assert set(refusal.fields) == {
        "point.displayName",
        "point.kind",
        "point.village",
        "point.location",
    }


@pytest.mark.parametrize(
    "village",
    [
        f"{REGION}/villages/64.01.06.9999",
        f"{REGION}/villages/64.09.01.1001",
        "regions/64.09/villages/64.09.01.1001",
    ],
)
async def test_a_village_that_is_not_of_the_region_is_named(
    inventory: Inventory, village: str
) -> None:
    refusal = await refused(create(inventory, point=draft(village=village)))
    assert set(refusal.fields) == {"point.village"}


async def test_a_dry_run_tells_all_and_keeps_nothing(inventory: Inventory) -> None:
    point = await create(inventory, validate_only=True, request_id="r-1")
    assert point.name == NAME
    assert await listed(inventory) == []
    await create(inventory, request_id="r-1")


async def test_a_point_outside_its_village_carries_a_warning_with_the_distance(
    inventory: Inventory,
) -> None:
    far = draft()
    far.location.latitude, far.location.longitude = 1.0, 118.0
    point = await create(inventory, point=far)
    assert [w.reason for w in point.warnings] == ["OUTSIDE_VILLAGE", "OUTSIDE_REGION"]
    assert all(w.distance_m > 100_000 for w in point.warnings)


async def test_a_point_lives_and_retires(inventory: Inventory) -> None:
    await create(inventory)
    stub = inventory.stub
    steps: tuple[tuple[Any, Any, int], ...] = (
        (stub.ActivatePoint, point_pb2.ActivatePointRequest, Point.ACTIVE),
        (stub.SuspendPoint, point_pb2.SuspendPointRequest, Point.SUSPENDED),
        (stub.ResumePoint, point_pb2.ResumePointRequest, Point.ACTIVE),
        (stub.RetirePoint, point_pb2.RetirePointRequest, Point.RETIRED),
    )
    for verb, request, state in steps:
        assert (await verb(request(name=NAME))).state == state
    refusal = await refused(stub.ActivatePoint(point_pb2.ActivatePointRequest(name=NAME)))
    assert refusal.code == grpc.StatusCode.FAILED_PRECONDITION
    assert (refusal.reason, refusal.metadata["state"]) == ("POINT_STATE_WRONG", "RETIRED")


async def test_of_ten_activations_at_once_one_succeeds(inventory: Inventory) -> None:
    await create(inventory)
    activate = inventory.stub.ActivatePoint
    calls = [activate(point_pb2.ActivatePointRequest(name=NAME)) for _ in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Point) for result in results) == 1


async def test_an_update_changes_the_masked_fields_only(inventory: Inventory) -> None:
    created = await create(inventory, point=draft(address="Jalan 1"))
    change = Point(name=NAME, display_name="Baru", address="ignored", etag=created.etag)
    request = point_pb2.UpdatePointRequest(
        point=change, update_mask=FieldMask(paths=["display_name"])
    )
    updated = await inventory.stub.UpdatePoint(request)
    assert (updated.display_name, updated.address) == ("Baru", "Jalan 1")
    refusal = await refused(inventory.stub.UpdatePoint(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_STALE")


async def test_an_update_without_a_mask_changes_what_it_sets(inventory: Inventory) -> None:
    await create(inventory, point=draft(address="Jalan 1"))
    moved = Point(name=NAME, village=f"{REGION}/villages/64.01.07.2009")
    updated = await inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=moved))
    assert updated.district == f"{REGION}/districts/64.01.07"
    assert updated.address == "Jalan 1"


async def test_a_star_clears_what_is_left_out(inventory: Inventory) -> None:
    await create(inventory, point=draft(address="Jalan 1", tags=["a"]))
    bare = Point(name=NAME, display_name="Baru", kind=Point.OPD, village=BELIMBING)
    request = point_pb2.UpdatePointRequest(point=bare, update_mask=FieldMask(paths=["*"]))
    updated = await inventory.stub.UpdatePoint(request)
    assert (updated.address, list(updated.tags), updated.HasField("location")) == ("", [], False)


async def test_people_served_are_kept_changed_and_unsaid_again(inventory: Inventory) -> None:
    created = await create(inventory, point=draft(people_served=0))
    assert created.HasField("people_served")
    mask = FieldMask(paths=["people_served"])
    change = point_pb2.UpdatePointRequest(
        point=Point(name=created.name, people_served=420), update_mask=mask
    )
    assert (await inventory.stub.UpdatePoint(change)).people_served == 420
    wrong = point_pb2.UpdatePointRequest(
        point=Point(name=created.name, people_served=-1), update_mask=mask
    )
    assert list((await refused(inventory.stub.UpdatePoint(wrong))).fields) == ["point.peopleServed"]
    unsaid = point_pb2.UpdatePointRequest(point=Point(name=created.name), update_mask=mask)
    assert not (await inventory.stub.UpdatePoint(unsaid)).HasField("people_served")
    history = await inventory.stub.ListChanges(change_pb2.ListChangesRequest(name=created.name))
    assert list(history.changes[0].changed_fields) == ["peopleServed"]


async def test_a_state_is_not_updated(inventory: Inventory) -> None:
    await create(inventory)
    change = Point(name=NAME, state=Point.RETIRED)
    request = point_pb2.UpdatePointRequest(point=change, update_mask=FieldMask(paths=["state"]))
    refusal = await refused(inventory.stub.UpdatePoint(request))
    assert "updateMask" in refusal.fields


async def test_an_update_that_changes_nothing_leaves_the_etag(inventory: Inventory) -> None:
    created = await create(inventory)
    same = Point(name=NAME, display_name=created.display_name)
    updated = await inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=same))
    assert updated.etag == created.etag


async def test_a_point_that_was_in_service_is_not_deleted(inventory: Inventory) -> None:
    await create(inventory)
    await inventory.stub.ActivatePoint(point_pb2.ActivatePointRequest(name=NAME))
    refusal = await refused(inventory.stub.DeletePoint(point_pb2.DeletePointRequest(name=NAME)))
    assert refusal.reason == "POINT_WAS_IN_SERVICE"


async def test_a_planned_point_is_deleted(inventory: Inventory) -> None:
    await create(inventory)
    await inventory.stub.DeletePoint(point_pb2.DeletePointRequest(name=NAME))
    refusal = await refused(inventory.stub.GetPoint(point_pb2.GetPointRequest(name=NAME)))
    assert refusal.code == grpc.StatusCode.NOT_FOUND


async def test_a_contact_is_shown_masked_and_kept_sealed(inventory: Inventory) -> None:
    secret = draft()
    secret.contact.display_name, secret.contact.phone = "Budi Santoso", "0812 345 678"
    point = await create(inventory, point=secret)
    assert (point.contact.display_name, point.contact.phone) == ("B*** S***", "*******678")
    async with open_database(inventory.owner_url) as owner, owner.read() as connection:
        everything = await connection.fetchval(
            "SELECT string_agg(p::text, '') || (SELECT string_agg(c::text, '') FROM changes AS c)"
            " || (SELECT coalesce(string_agg(r::text, ''), '') FROM answered_requests AS r)"
            "  FROM points AS p"
        )
    assert "Budi" not in everything
    assert b"Budi".hex() not in everything


async def test_an_update_of_something_else_keeps_the_contact(inventory: Inventory) -> None:
    secret = draft()
    secret.contact.email = "budi@paserkab.go.id"
    await create(inventory, point=secret)
    change = Point(name=NAME, address="Jalan 2")
    updated = await inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=change))
    assert updated.contact.email == "b***@paserkab.go.id"


async def test_a_contact_alone_can_be_changed_and_removed(inventory: Inventory) -> None:
    await create(inventory)
    change = Point(name=NAME)
    change.contact.phone = "0812345678"
    updated = await inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=change))
    assert updated.contact.phone == "*******678"
    mask = FieldMask(paths=["contact"])
    request = point_pb2.UpdatePointRequest(point=Point(name=NAME), update_mask=mask)
    assert not (await inventory.stub.UpdatePoint(request)).HasField("contact")


async def test_a_part_of_a_contact_is_changed_and_the_history_and_etag_tell(
    inventory: Inventory,
) -> None:
    secret = draft()
    secret.contact.display_name, secret.contact.email = "Budi", "budi@paserkab.go.id"
    before = await create(inventory, point=secret)
    change = Point(name=NAME)
    change.contact.phone = "0812345678"
    mask = FieldMask(paths=["contact.phone"])
    after = await inventory.stub.UpdatePoint(
        point_pb2.UpdatePointRequest(point=change, update_mask=mask)
    )
    shown = (after.contact.display_name, after.contact.phone, after.contact.email)
    assert shown == ("B***", "*******678", "b***@paserkab.go.id")
    assert after.etag != before.etag
    history = await inventory.stub.ListChanges(change_pb2.ListChangesRequest(name=NAME))
    assert list(history.changes[0].changed_fields) == ["contact"]
    assert "contact" not in history.changes[0].after
    change.contact.email = "no address"
    mask = FieldMask(paths=["contact.email"])
    refusal = await refused(
        inventory.stub.UpdatePoint(point_pb2.UpdatePointRequest(point=change, update_mask=mask))
    )
    assert list(refusal.fields) == ["point.contact.email"]


async def test_outer_blanks_are_taken_away(inventory: Inventory) -> None:
    blank = draft(address=" Jalan 1\u2028", source="\u00a0x", external_ids={"npsn": " 304 "})
    point = await create(inventory, point=blank)
    assert (point.address, point.source, point.external_ids["npsn"]) == ("Jalan 1", "x", "304")


async def test_filters_combine(inventory: Inventory) -> None:
    await create(inventory, "A", point=draft(tags=["x", "y"], technology=point_pb2.FO))
    await create(inventory, "B", point=draft(tags=["x"], external_ids={"npsn": "304"}))
    office = Point(display_name="Kantor 100%", kind=Point.OPD)
    office.district = f"{REGION}/districts/64.01.04"
    await create(inventory, "C", point=office)
    await inventory.stub.ActivatePoint(point_pb2.ActivatePointRequest(name=f"{REGION}/points/A"))
    assert await listed(inventory, kind=[Point.SCHOOL]) == ["A", "B"]
    assert await listed(inventory, kind=[Point.SCHOOL, Point.OPD]) == ["A", "B", "C"]
    assert await listed(inventory, district=f"{REGION}/districts/64.01.04") == ["C"]
    assert await listed(inventory, village=BELIMBING, state=[Point.PLANNED]) == ["B"]
    assert await listed(inventory, technology=[point_pb2.FO], tag=["x", "y"]) == ["A"]
    assert await listed(inventory, tag=["y", "z"]) == []
    assert await listed(inventory, query="100%") == ["C"]
    assert await listed(inventory, query="%") == ["C"]
    assert await listed(inventory, query="KANTOR") == ["C"]
    assert await listed(inventory, query="304") == ["B"]


async def test_a_list_of_an_unknown_region_is_not_found(inventory: Inventory) -> None:
    request = point_pb2.ListPointsRequest(parent="regions/99.99")
    refusal = await refused(inventory.stub.ListPoints(request))
    assert refusal.code == grpc.StatusCode.NOT_FOUND


async def test_a_walk_gives_every_point_once_while_points_are_inserted(
    inventory: Inventory,
) -> None:
    for number in range(30):
        await create(inventory, f"P-{number:03}")
    seen: list[str] = []
    request = point_pb2.ListPointsRequest(parent=REGION, page_size=7)
    while True:
        response = await inventory.stub.ListPoints(request)
        seen += [point.name.rpartition("/")[2] for point in response.points]
        await create(inventory, f"P-{len(seen):03}-new")
        await create(inventory, f"A-{len(seen):03}-new")
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert len(seen) == len(set(seen))
    assert {f"P-{number:03}" for number in range(30)} <= set(seen)


@pytest.mark.parametrize("page_token", ["x", "!!!", "AAAAAAAAAAAAAAAA", "é"])
async def test_a_page_token_that_was_tampered_with_is_refused(
    inventory: Inventory, page_token: str
) -> None:
    request = point_pb2.ListPointsRequest(parent=REGION, page_token=page_token)
    refusal = await refused(inventory.stub.ListPoints(request))
    assert (refusal.reason, list(refusal.fields)) == ("PAGE_TOKEN_INVALID", ["pageToken"])


async def test_a_page_token_is_of_no_use_with_other_filters(inventory: Inventory) -> None:
    await create(inventory, "A")
    await create(inventory, "B")
    request = point_pb2.ListPointsRequest(parent=REGION, page_size=1)
    request.page_token = (await inventory.stub.ListPoints(request)).next_page_token
    request.page_size = 1000
    assert [p.name for p in (await inventory.stub.ListPoints(request)).points] == [
        f"{REGION}/points/B"
    ]
    request.query = "a"
    refusal = await refused(inventory.stub.ListPoints(request))
    assert refusal.reason == "PAGE_TOKEN_INVALID"


async def test_a_negative_page_size_is_refused_and_a_huge_one_is_capped(
    inventory: Inventory,
) -> None:
    request = point_pb2.ListPointsRequest(parent=REGION, page_size=-1)
    refusal = await refused(inventory.stub.ListPoints(request))
    assert list(refusal.fields) == ["pageSize"]
    assert await listed(inventory, page_size=1_000_000_000) == []


async def test_a_deadline_of_a_millisecond_is_exceeded(inventory: Inventory) -> None:
    request = point_pb2.ListPointsRequest(parent=REGION)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await inventory.stub.ListPoints(request, timeout=0.001)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_history_tells_who_when_before_and_after(inventory: Inventory) -> None:
    await create(inventory, request_id="r-1")
    await inventory.stub.ActivatePoint(point_pb2.ActivatePointRequest(name=NAME))
    history = await inventory.stub.ListChanges(change_pb2.ListChangesRequest(name=NAME))
    activated, created = history.changes
    assert (activated.action, created.action, history.total_size) == ("activate", "create", 2)
    assert (created.request_id, created.actor) == ("r-1", "anonymous")
    assert not created.HasField("before")
    assert list(activated.changed_fields) == ["state"]
    assert activated.before["state"] == "PLANNED"
    assert activated.after["state"] == "ACTIVE"
    assert activated.change_time.seconds > 0
