"""The edge as Kubernetes sees it: a pod that leaves, and one scrape."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
from devstack.waiting import until
from prometheus_client.parser import text_string_to_metric_families

DEADLINE_S = 20
POINT = "/v1/regions/64.01/points/PSR-1"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def test_a_gateway_that_leaves_loses_no_call(
    tmp_path: Path, start: Any, upstream: Any, load_on: Any
) -> None:
    gateway = await start(tmp_path, upstream.address, leave_s="2")
    await gateway.wait_until(200)
    async with load_on(gateway.http) as load:
        assert await load.goes_on()
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.wait_until(503, "/readyz/edge")
        served = load.done
        assert await load.goes_on(50)
        load.stop()  # by then the cluster has led the callers elsewhere
    assert load.failed == []
    assert load.done > served
    assert await asyncio.wait_for(gateway.process.wait(), DEADLINE_S) == 0


async def test_callers_are_told_to_go_while_the_gateway_leaves(
    tmp_path: Path, start: Any, upstream: Any
) -> None:
    gateway = await start(tmp_path, upstream.address, leave_s="30")
    try:
        await gateway.wait_until(200)
        async with httpx.AsyncClient(base_url=f"http://{gateway.http}") as client:
            before = await client.get(POINT)
            gateway.process.send_signal(signal.SIGTERM)
            await gateway.wait_until(503, "/readyz/edge")
            after = await client.get(POINT)
            alive = await client.get("/healthz")
    finally:
        gateway.process.kill()
        await gateway.process.wait()
    assert [before.status_code, after.status_code, alive.status_code] == [200, 200, 200]
    assert [one.headers.get("connection") for one in (before, after)] == [None, "close"]


async def test_one_scrape_holds_the_edge_and_its_envoy(gateway: Any, client: Any) -> None:
    for path in (POINT, "/nowhere"):
        await client.get(path)
    public = {"envoy_http_conn_manager_prefix": "public"}

    async def counted() -> bool:
        found = await scraped(gateway)
        classes = [public | {"envoy_response_code_class": one} for one in ("2", "4")]
        counts = [value(found, "envoy_http_downstream_rq_xx", one) for one in classes]
        # Envoy joins its threads' histograms every five seconds.
        timed = value(found, "envoy_http_downstream_rq_time_bucket", public | {"le": "+Inf"})
        return all((*counts, timed))

    assert await until(counted, DEADLINE_S)
    found = await scraped(gateway)
    to_inventory = {"envoy_cluster_name": "inventory"}
    assert value(found, "envoy_cluster_membership_healthy", to_inventory) == 1
    assert value(
        found, "envoy_cluster_upstream_rq_xx", to_inventory | {"envoy_response_code_class": "2"}
    )
    assert value(found, "envoy_server_live", {}) == 1
    assert value(found, "process_start_time_seconds", {}) > 0


async def test_series_do_not_grow_with_what_callers_ask(gateway: Any, client: Any) -> None:
    async def ask(number: int) -> None:
        headers = {"user-agent": f"caller {number}"}
        await client.get(f"/v1/regions/64.01/points/P-{number}", headers=headers)
        await client.get(f"/unknown/{number}", headers=headers)

    await ask(0)
    before = await scraped(gateway)
    for number in range(1, 50):
        await ask(number)
    assert set(await scraped(gateway)) == set(before)
    assert len(before) < 1000


async def scraped(gateway: Any) -> Series:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{gateway.metrics}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (written(sample.name, family.type), frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def written(name: str, kind: str) -> str:
    """Return the name as it was sent: the parser gives each counter the end of OpenMetrics."""
    is_envoys = name.startswith("envoy_") and kind == "counter"
    return name.removesuffix("_total") if is_envoys else name


def value(found: Series, name: str, labels: dict[str, str]) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)
