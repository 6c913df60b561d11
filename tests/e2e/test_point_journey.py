"""A point through its life, as a person with curl sees it."""

from typing import Any

import httpx
import uuid_utils

POINTS = "/v1/regions/64.01/points"
VILLAGE = "regions/64.01/villages/64.01.06.2012"
SCHOOL = {
    "displayName": "SD Negeri 001 Uji",
    "kind": "SCHOOL",
    "village": VILLAGE,
    "location": {"latitude": -1.5, "longitude": 116.1},
}


def code() -> str:
    return f"E2E-{uuid_utils.uuid7()}"


async def create(api: httpx.AsyncClient, point_id: str, **query: str) -> httpx.Response:
    return await api.post(POINTS, params={"pointId": point_id} | query, json=SCHOOL)


def refusal(answer: httpx.Response) -> dict[str, Any]:
    """Return the ErrorInfo of a refused call."""
    details = answer.json()["details"]
    (info,) = [d for d in details if d["@type"].endswith("google.rpc.ErrorInfo")]
    return dict(info)


def wrong_fields(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 400, answer.text
    details = answer.json()["details"]
    (bad,) = [d for d in details if d["@type"].endswith("google.rpc.BadRequest")]
    return sorted(violation["field"] for violation in bad["fieldViolations"])


async def test_a_point_is_planned_activated_suspended_resumed_and_retired(
    api: httpx.AsyncClient,
) -> None:
    point_id = code()
    created = (await create(api, point_id)).json()
    assert (created["name"], created["state"]) == (f"regions/64.01/points/{point_id}", "PLANNED")
    assert created["etag"]
    assert created["district"] == "regions/64.01/districts/64.01.06"
    states = [
        (await api.post(f"{POINTS}/{point_id}:{verb}")).json()["state"]
        for verb in ("activate", "suspend", "resume", "retire")
    ]
    assert states == ["ACTIVE", "SUSPENDED", "ACTIVE", "RETIRED"]
    refused = await api.post(f"{POINTS}/{point_id}:activate")
    assert (refused.status_code, refused.json()["code"]) == (400, 9)
    info = refusal(refused)
    assert (info["reason"], info["metadata"]["state"]) == ("POINT_STATE_WRONG", "RETIRED")
    history = (await api.get(f"{POINTS}/{point_id}:listChanges")).json()["changes"]
    actions = [change["action"] for change in history]
    assert actions == ["retire", "resume", "suspend", "activate", "create"]
    assert history[0]["before"]["state"] == "ACTIVE"
    assert history[0]["after"]["state"] == "RETIRED"


async def test_the_same_request_id_gives_the_same_answer(api: httpx.AsyncClient) -> None:
    point_id, request_id = code(), code()
    first = await create(api, point_id, requestId=request_id)
    again = await create(api, point_id, requestId=request_id)
    assert first.json() == again.json()
    twice = await create(api, point_id)
    assert (twice.status_code, twice.json()["code"]) == (409, 6)
    other = await create(api, code(), requestId=request_id)
    assert wrong_fields(other) == ["requestId"]


async def test_three_wrong_fields_are_named_at_once(api: httpx.AsyncClient) -> None:
    wrong = SCHOOL | {
        "displayName": "",
        "location": {"latitude": 116.1, "longitude": -1.5},
        "village": "regions/64.01/villages/64.01.06.9999",
    }
    answer = await api.post(POINTS, json=wrong)
    assert wrong_fields(answer) == ["point.displayName", "point.location", "point.village"]
    assert "swapped" in answer.json()["message"]


async def test_a_misspelt_kind_hides_nothing_else(api: httpx.AsyncClient) -> None:
    wrong = {"kind": "SCOOL", "village": "regions/64.01/villages/64.01.06.9999", "colour": 1}
    answer = await api.post(POINTS, json=wrong)
    assert wrong_fields(answer) == [
        "point.colour",
        "point.displayName",
        "point.kind",
        "point.village",
    ]


async def test_a_village_of_another_region_is_refused(api: httpx.AsyncClient) -> None:
    foreign = SCHOOL | {"village": "regions/64.09/villages/64.09.01.1011"}
    assert wrong_fields(await api.post(POINTS, json=foreign)) == ["point.village"]


async def test_a_stale_etag_is_refused_and_a_mask_changes_only_its_fields(
    api: httpx.AsyncClient,
) -> None:
    point_id = code()
    stale = (await create(api, point_id)).json()
    path = f"{POINTS}/{point_id}"
    change = {"displayName": "SD Baru", "address": "not in the mask", "etag": stale["etag"]}
    mask = {"updateMask": "displayName"}
    changed = (await api.patch(path, params=mask, json=change)).json()
    assert (changed["displayName"], changed["address"]) == ("SD Baru", "")
    refused = await api.patch(path, params=mask, json=change)
    assert (refused.status_code, refused.json()["code"]) == (409, 10)
    assert refusal(refused)["reason"] == "ETAG_STALE"


async def test_filters_combine(api: httpx.AsyncClient) -> None:
    point_id = code()
    await api.post(
        POINTS, params={"pointId": point_id}, json=SCHOOL | {"technology": "VSAT", "tags": ["uji"]}
    )
    fitting = {
        "kind": "SCHOOL",
        "district": "regions/64.01/districts/64.01.06",
        "village": VILLAGE,
        "state": "PLANNED",
        "technology": "VSAT",
        "tag": "uji",
        "query": point_id.lower(),
    }
    found = (await api.get(POINTS, params=fitting)).json()
    assert [point["name"].rpartition("/")[2] for point in found["points"]] == [point_id]
    for name, value in (("kind", "OPD"), ("technology", "FO"), ("tag", "x"), ("query", "zzz")):
        assert (await api.get(POINTS, params=fitting | {name: value})).json()["totalSize"] == 0


async def test_a_walk_gives_every_point_once_while_points_are_inserted(
    api: httpx.AsyncClient,
) -> None:
    everything = (await api.get(POINTS, params={"pageSize": 1000, "tag": "demo"})).json()["points"]
    seen: list[str] = []
    token = ""
    while True:
        page = (await api.get(POINTS, params={"pageSize": 7, "pageToken": token})).json()
        seen += [point["name"] for point in page["points"]]
        token = page["nextPageToken"]
        if not token:
            break
        await create(api, code())
        await create(api, f"A-{code()}")
    assert len(seen) == len(set(seen))
    assert {point["name"] for point in everything} <= set(seen)


async def test_a_contact_leaves_only_masked(api: httpx.AsyncClient) -> None:
    point_id = code()
    contact = {
        "displayName": "Budi Santoso",
        "phone": "081254321987",
        "email": "budi@paserkab.go.id",
    }
    created = await api.post(
        POINTS, params={"pointId": point_id}, json=SCHOOL | {"contact": contact}
    )
    assert created.json()["contact"]["phone"] == "*********987"
    answers = [
        created,
        await api.get(f"{POINTS}/{point_id}"),
        await api.get(f"{POINTS}/{point_id}:listChanges"),
        await api.get(POINTS, params={"query": point_id}),
        await api.get(f"{POINTS}:export", params={"query": point_id}),
    ]
    for answer in answers:
        assert "Santoso" not in answer.text
        assert "081254321987" not in answer.text


async def test_the_region_says_that_its_points_are_not_the_contracts(
    api: httpx.AsyncClient,
) -> None:
    notice = (await api.get("/v1/regions/64.01")).json()["notice"]
    assert "not the list of the contract" in notice
    assert "bukan daftar titik dalam kontrak" in notice
    point = (await api.get(POINTS, params={"tag": "demo", "pageSize": 1})).json()["points"][0]
    assert point["provenance"] == "DERIVED"
    assert point["source"]
