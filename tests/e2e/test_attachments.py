"""A photo of what burnt, from somebody's telephone through the one port and back."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.waiting import until

REGION = "regions/64.01"
DRAFT = {"displayName": "Titik", "kind": "OPD", "village": f"{REGION}/villages/64.01.06.2012"}
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8_000
MIB = 1024 * 1024


@pytest.fixture
async def incident(api: httpx.AsyncClient) -> str:
    """Give an incident, made by measurements of a point that does not answer."""
    point = (await api.post(f"/v1/{REGION}/points", json=DRAFT)).json()["name"]
    assert (await api.post(f"/v1/{point}:activate")).status_code == 200
    found: list[str] = []

    async def known() -> bool:
        return (await api.get(f"/v1/{point}/status")).status_code == 200

    async def opened() -> bool:
        answer = await api.get(f"/v1/{REGION}/incidents", params={"point": point})
        found[:] = [one["name"] for one in answer.json()["incidents"]]
        return bool(found)

    assert await until(known, within_s=20)
    times = (datetime.now(UTC) - timedelta(seconds=90 - 20 * n) for n in range(4))
    silent = [
        {"point": point, "source": "router", "time": time.isoformat(), "method": "icmp"}
        | {"packetsSent": 5, "packetsReceived": 0}
        for time in times
    ]
    await api.post(f"/v1/{REGION}/measurements:report", json={"measurements": silent})
    assert await until(opened, within_s=30)
    return found[0]


async def test_a_photo_goes_up_and_comes_down_as_it_was(
    stack: Stack, api: httpx.AsyncClient, incident: str
) -> None:
    url = f"/v1/{incident}/attachments"
    query = {"fileName": "kamera/catu dayá.jpg", "text": "terbakar"}
    headers = {"content-type": "text/html"}  # believed by nobody
    made = await api.post(f"{url}:upload", params=query, content=JPEG, headers=headers)
    assert made.status_code == 200, made.text
    name = made.json()["name"]
    answer = await api.get(f"/v1/{name}:download")
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith('attachment; filename="catu day_.jpg"')
    async with http_caller(stack, "64.01/viewer") as viewer:
        assert (await viewer.get(url)).json()["totalSize"] == 1
        refused = await viewer.post(f"{url}:upload", params=query, content=JPEG)
        assert refused.status_code == 403
        assert (await viewer.delete(f"/v1/{name}")).status_code == 403
    async with http_caller(stack, "64.09/operator") as neighbour:
        assert (await neighbour.get(f"/v1/{name}:download")).status_code == 403
    async with httpx.AsyncClient(base_url=stack.url) as stranger:
        assert (await stranger.get(f"/v1/{name}:download")).status_code == 401
    assert (await api.delete(f"/v1/{name}")).status_code == 200
    assert (await api.get(f"/v1/{name}:download")).status_code == 404
    entries = (await api.get(f"/v1/{incident}/entries")).json()["incidentEntries"]
    assert [one["action"] for one in entries] == ["OPENED", "ATTACHED", "DETACHED"]


async def test_a_page_that_pretends_to_be_a_text_is_downloaded_as_one_and_never_shown(
    api: httpx.AsyncClient, incident: str
) -> None:
    page = b"<!doctype html><script>alert(document.cookie)</script>"
    query = {"fileName": 'x"\r\nset-cookie: a=b; y/page.html'}
    headers = {"content-type": "text/html"}
    made = await api.post(
        f"/v1/{incident}/attachments:upload", params=query, content=page, headers=headers
    )
    assert made.status_code == 200, made.text
    answer = await api.get(f"/v1/{made.json()['name']}:download")
    assert answer.content == page
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == 'attachment; filename="page.html.txt"'
    assert "set-cookie" not in answer.headers
    made = await api.post(
        f"/v1/{incident}/attachments:upload",
        params={"fileName": 'x"\r\nset-cookie: a=b; y'},
        content=page,
    )
    answer = await api.get(f"/v1/{made.json()['name']}:download")
    named = answer.headers["content-disposition"]
    assert named == 'attachment; filename="x___set-cookie_ a=b_ y.txt"'
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"MZ\x90\x00", "FILE_TYPE_NOT_ALLOWED"),
        (JPEG + bytes(10 * MIB), "FILE_TOO_LARGE"),
    ],
)
async def test_what_is_no_photo_or_too_large_is_refused(
    api: httpx.AsyncClient, incident: str, content: bytes, reason: str
) -> None:
    url = f"/v1/{incident}/attachments:upload"
    answer = await api.post(url, params={"fileName": "x.jpg"}, content=content)
    assert answer.status_code == 400, answer.text
    assert reason in answer.text
