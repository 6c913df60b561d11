"""What a browser and an operator see."""

import re
from typing import Any

import httpx
import pytest
from smartcity.inventory.v1 import events_pb2


async def test_the_docs_need_no_other_host(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(linked) == 4
    for path in linked:
        assert path.startswith("/docs/")
        assert (await client.get(path)).status_code == 200


async def test_every_event_is_described_for_machines_and_people(client: httpx.AsyncClient) -> None:
    document = (await client.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    addresses = [channel["address"] for channel in document["channels"].values()]
    assert "smartcity.{region}.inventory.point.created.v1" in addresses
    every = events_pb2.DESCRIPTOR.message_types_by_name
    assert len(addresses) == len(set(addresses)) == len(every)
    page = await client.get("/docs/events")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert all(address in page.text for address in addresses)
    assert (
        "Contact"
        in document["components"]["schemas"]["inventory.Point"]["properties"]["contact"]["$ref"]
    )


async def test_the_root_leads_to_the_docs(client: httpx.AsyncClient) -> None:
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/docs")


async def test_openapi_is_compressed_and_known_by_its_etag(client: httpx.AsyncClient) -> None:
    first = await client.get("/openapi.json")
    assert first.headers["content-encoding"] == "gzip"
    assert first.json()["openapi"].startswith("3.1")
    plain = await client.get("/openapi.json", headers={"accept-encoding": "identity"})
    assert plain.json() == first.json()
    known = {"if-none-match": first.headers["etag"]}
    assert (await client.get("/openapi.json", headers=known)).status_code == 304


async def test_ready_follows_the_services(
    client: httpx.AsyncClient, gateway: Any, upstream: Any
) -> None:
    await upstream.serving(able=False)
    answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["services"] == {"inventory": "NOT_SERVING"}
    assert (await client.get("/healthz")).json() == {"status": "SERVING"}
    await upstream.serving(able=True)
    await gateway.wait_until(200)


async def test_ready_names_a_service_that_is_away(lonely: Any) -> None:
    async with httpx.AsyncClient() as session:
        answer = await session.get(f"http://{lonely.http}/readyz")
    assert answer.json()["services"] == {"inventory": "NOT_SERVING"}


@pytest.mark.parametrize("path", ["/docs/no.js", "/docs/../../settings.py", "/docs/%2e%2e/x"])
async def test_nothing_but_the_docs_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code in {400, 404}


async def test_the_access_log_has_paths_without_queries(
    client: httpx.AsyncClient, gateway: Any
) -> None:
    await client.get("/v1/regions/64.01/points?query=seseorang")
    await client.get("/v1/regions")
    await gateway.wait_for_log('"path":"/v1/regions"')
    log = (gateway.state_folder / "log").read_text()
    assert '"path":"/v1/regions/64.01/points"' in log
    assert "seseorang" not in log
