"""What an HTTP client sees: transcoding, files, and every refusal in the one form."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

POINTS = "/v1/regions/64.01/points"
POINT = f"{POINTS}/PSR-0042"
MIB = 1024 * 1024


@pytest.fixture(scope="session")
async def deserted(lonely: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{lonely.http}", timeout=30) as session:
        yield session


def refusal(answer: httpx.Response, http: int, code: int, reason: str) -> dict[str, Any]:
    """Assert that the answer is a refusal in the contract's form and return it."""
    assert answer.status_code == http, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["message"]
    infos = [one for one in body["details"] if one["@type"].endswith("google.rpc.ErrorInfo")]
    assert [info["reason"] for info in infos] == [reason]
    return body


def fields(body: dict[str, Any]) -> list[str]:
    bad = next(one for one in body["details"] if one["@type"].endswith("google.rpc.BadRequest"))
    return [one["field"] for one in bad["fieldViolations"]]


async def test_a_get_is_transcoded(client: httpx.AsyncClient) -> None:
    answer = await client.get(POINT)
    assert answer.status_code == 200
    shown = answer.json()
    assert shown["name"] == "regions/64.01/points/PSR-0042"
    assert shown["kind"] == "VILLAGE_OFFICE"
    assert shown["tags"] == []
    assert "location" not in shown
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "gateway"


async def test_query_parameters_arrive(client: httpx.AsyncClient) -> None:
    query = {"pageSize": "3", "kind": ["SCHOOL", "OPD"], "query": "desa baru é"}
    answer = await client.get(POINTS, params=query)
    assert answer.json()["nextPageToken"] == "3 [6, 1] desa baru é"
    assert answer.json()["totalSize"] == 0


async def test_a_services_error_keeps_its_details(client: httpx.AsyncClient) -> None:
    body = refusal(await client.get(f"{POINTS}/GONE"), 404, 5, "RESOURCE_MISSING")
    assert body["details"][0]["domain"] == "inventory"


async def test_a_body_is_read_whatever_its_media_type(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        POINTS,
        content=b'{"displayName": "x", "kind": "OPD"}',
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.json()["displayName"] == "x"


async def test_what_only_the_service_knows_is_named_with_what_cannot_be_read(
    client: httpx.AsyncClient,
) -> None:
    draft = {"kind": "CASTLE", "village": "regions/64.01/villages/64.01.06.0000"}
    answer = await client.post(POINTS, json=draft | {"displayName": "x"})
    body = refusal(answer, 400, 3, "JSON_INVALID")
    assert fields(body) == ["point.kind", "point.village"]
    assert "dry run True" in body["message"]


@pytest.mark.parametrize(
    ("name", "value"), [("grpc-timeout", "abc"), ("grpc-timeout", "-1S"), ("grpc-encoding", "foo")]
)
async def test_a_malformed_grpc_header_is_refused_and_harms_nobody_else(
    client: httpx.AsyncClient, name: str, value: str
) -> None:
    for _ in range(5):
        answer = await client.get(POINT, headers={name: value})
        body = refusal(answer, 400, 3, "REQUEST_INVALID")
        assert f"the header {name} must be" in body["message"]
    for seconds in range(5, 25):
        well = await client.get(POINT, headers={"grpc-timeout": f"{seconds}S"})
        assert well.status_code == 200


@pytest.mark.parametrize("name", ["x-odd-bin", "grpc-status", "grpc-previous-rpc-attempts"])
async def test_headers_that_are_grpcs_own_do_not_reach_the_service(
    client: httpx.AsyncClient, name: str
) -> None:
    assert (await client.get(POINT, headers={name: "%%%"})).status_code == 200


async def test_a_body_that_names_another_resource_than_the_path_is_refused(
    client: httpx.AsyncClient,
) -> None:
    other = {"name": "regions/64.01/points/OTHER"}
    change = await client.patch(POINT, json=other | {"displayName": "x"})
    assert fields(refusal(change, 400, 3, "JSON_INVALID")) == ["point.name"]
    verb = await client.post(f"{POINT}:activate", json=other)
    assert fields(refusal(verb, 400, 3, "JSON_INVALID")) == ["name"]
    same = await client.post(f"{POINT}:activate", json={"name": "regions/64.01/points/PSR-0042"})
    assert same.status_code == 200


async def test_half_a_place_is_refused(client: httpx.AsyncClient) -> None:
    draft = {"displayName": "x", "kind": "OPD", "location": {"latitude": -1.9}}
    body = refusal(await client.post(POINTS, json=draft), 400, 3, "JSON_INVALID")
    assert fields(body) == ["point.location.longitude"]


async def test_a_lone_surrogate_in_a_name_is_refused(client: httpx.AsyncClient) -> None:
    body = b'{"\\ud800": 1, "externalIds": {"\\ud800": "x"}}'
    refusal(await client.post(POINTS, content=body), 400, 3, "JSON_INVALID")


async def test_a_patch_brings_its_mask(client: httpx.AsyncClient) -> None:
    answer = await client.patch(
        POINT, params={"updateMask": "displayName,kind"}, json={"displayName": "x"}
    )
    assert answer.json()["name"] == "regions/64.01/points/PSR-0042"
    assert answer.json()["source"] == "display_name,kind"


async def test_a_verb_needs_no_body(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{POINT}:activate")).json()["state"] == "ACTIVE"


async def test_all_wrong_fields_come_back_at_once(client: httpx.AsyncClient) -> None:
    wrong = {"displayNam": "x", "kind": "CASTLE", "tags": ["Not Good"], "displayName": "x"}
    answer = await client.post(POINTS, json=wrong, params={"pointid": "A"})
    body = refusal(answer, 400, 3, "JSON_INVALID")
    named = {"point.displayNam", "point.kind", "point.tags[0]", "pointid"}
    assert set(fields(body)) == named
    assert "did you mean displayName?" in body["message"]


@pytest.mark.parametrize(
    ("body", "said"),
    [(b'{"displayName": "\xff"}', "not UTF-8"), (b'{"kind":}', "line 1, column 9")],
)
async def test_a_body_that_is_no_json_is_refused(
    client: httpx.AsyncClient, body: bytes, said: str
) -> None:
    answer = await client.post(POINTS, content=body)
    assert said in refusal(answer, 400, 3, "JSON_INVALID")["message"]


@pytest.mark.parametrize("path", [POINTS, f"{POINTS}:export"])
async def test_an_unknown_query_parameter_is_named(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, params={"kin": "OPD", "stat": "ACTIVE"})
    assert fields(refusal(answer, 400, 3, "QUERY_INVALID")) == ["kin", "stat"]


async def test_an_import_with_a_wrong_query_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{POINTS}:import", params={"dryRun": "true"}, content=b"code\n")
    assert fields(refusal(answer, 400, 3, "QUERY_INVALID")) == ["dryRun"]


@pytest.mark.parametrize("path", ["/v1/regions/%ff", "/v1/regions/%c3%28"])
async def test_a_path_that_is_not_utf8_is_refused(client: httpx.AsyncClient, path: str) -> None:
    refusal(await client.get(path), 400, 3, "QUERY_INVALID")


async def test_an_escaped_slash_is_refused(client: httpx.AsyncClient) -> None:
    refusal(await client.get("/v1/regions/64.01%2Fpoints"), 400, 3, "REQUEST_INVALID")


@pytest.mark.parametrize("path", ["/v1/regions/64.01/pionts", "/check/v1/x", "/refused/x", "/x"])
async def test_an_unknown_path_is_refused(client: httpx.AsyncClient, path: str) -> None:
    refusal(await client.get(path), 404, 5, "PATH_UNKNOWN")


async def test_an_unknown_path_is_told_the_nearest(client: httpx.AsyncClient) -> None:
    body = (await client.post(f"{POINT}:activat")).json()
    assert "/v1/regions/{region}/points/{point}:activate" in body["message"]


@pytest.mark.parametrize("verb", ["PUT", "OPTIONS"])
async def test_a_wrong_method_is_told_the_right_ones(client: httpx.AsyncClient, verb: str) -> None:
    answer = await client.request(verb, POINTS)
    refusal(answer, 405, 12, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, POST"


async def test_a_page_is_only_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/healthz")
    refusal(answer, 405, 12, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD"


async def test_an_upload_arrives_as_it_is(client: httpx.AsyncClient) -> None:
    file = b"\x00\xffcode,name\n" * 500_000
    answer = await client.post(
        f"{POINTS}:import?validateOnly=true", content=file, headers={"content-type": "text/csv"}
    )
    report = answer.json()
    assert report["rowCount"] == len(file)
    assert report["errors"][0]["column"] == "text/csv"
    assert bytes.fromhex(report["errors"][0]["value"]) == file[:20]


@pytest.mark.parametrize(("path", "size"), [(f"{POINTS}:import", 33), (POINTS, 5)])
async def test_a_body_that_is_too_large_is_refused(
    client: httpx.AsyncClient, path: str, size: int
) -> None:
    answer = await client.post(path, content=bytes(size * MIB))
    refusal(answer, 413, 8, "BODY_TOO_LARGE")


async def test_headers_that_are_too_large_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.get(POINT, headers={"x-large": "a" * 40_000})
    refusal(answer, 431, 8, "HEADERS_TOO_LARGE")


async def test_a_download_comes_in_parts_with_its_name(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{POINTS}:export?format=CSV")
    assert answer.content == b"code,name\nPSR-1,Satu\n"
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="points.csv"'


async def test_a_deadline_reaches_the_service(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{POINTS}/DEADLINE", headers={"grpc-timeout": "5S"})
    assert answer.json()["message"] == "left 5"


async def test_a_passed_deadline_is_told(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{POINTS}/HANGS", headers={"grpc-timeout": "200m"})
    # The service's gRPC runtime may answer at the same moment, and it gives no details.
    assert (answer.status_code, answer.json()["code"]) == (504, 4)


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_service_that_is_away_is_told(deserted: httpx.AsyncClient, verb: str) -> None:
    answer = await deserted.request(verb, f"{POINT}:activate" if verb == "POST" else POINT)
    body = refusal(answer, 503, 14, "SERVICE_UNAVAILABLE")
    assert body["details"][1]["@type"].endswith("google.rpc.RetryInfo")
    assert answer.headers["retry-after"]


async def test_a_page_of_another_origin_may_call_when_it_is_allowed(
    deserted: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    asked = {"origin": "https://example.org", "access-control-request-method": "POST"}
    allowed = await deserted.options(POINTS, headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://example.org"
    refused = await client.options(POINTS, headers=asked)
    assert "access-control-allow-origin" not in refused.headers
