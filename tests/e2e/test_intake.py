"""The other ways in, through the one port: streams, a real Prometheus, files."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import cramjam
import grpc
import httpx
import pytest
from devstack.callers import grpc_caller, http_caller
from devstack.prometheus import (
    WHY,
    WHY_NO_SMOKEPING,
    WITHOUT,
    WITHOUT_SMOKEPING,
    asked,
    running_prometheus,
    running_smokeping,
)
from devstack.stack import Stack
from devstack.testing import StartStack
from devstack.waiting import until
from smartcity.monitoring.v1 import monitoring_service_pb2_grpc
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest
from smartcity.prometheus.v1.remote_write_pb2 import Label, Sample, TimeSeries, WriteRequest

REGION = "regions/64.01"
WRITE = f"/v1/{REGION}/measurements:remoteWrite"
IMPORT = f"/v1/{REGION}/measurements:import"
DRAFT = {"displayName": "Titik", "kind": "SCHOOL", "village": f"{REGION}/villages/64.01.06.2012"}
EXPOSED = """\
probe_duration_seconds 0.03
probe_icmp_duration_seconds{phase="resolve"} 0.001
probe_icmp_duration_seconds{phase="rtt"} 0.02
probe_success 1
"""
"""In the order of the blackbox exporter."""
HEADERS = {
    "content-encoding": "snappy",
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
}

IN_BATCH = 10
BROKEN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
"""What a caller is told of a connection that broke, by the gateway or by gRPC itself."""

needs_prometheus = pytest.mark.skipif(WITHOUT, reason=WHY)


async def active_point(api: httpx.AsyncClient, **more: Any) -> str:
    """Make an active point that monitoring knows; return its name."""
    name = str((await api.post(f"/v1/{REGION}/points", json=DRAFT | more)).json()["name"])
    assert (await api.post(f"/v1/{name}:activate")).status_code == 200

    async def known() -> bool:
        return (await api.get(f"/v1/{name}/status")).status_code == 200

    assert await until(known, within_s=20)
    return name


async def becomes(api: httpx.AsyncClient, point: str, state: str) -> bool:
    async def so() -> bool:
        return bool((await api.get(f"/v1/{point}/status")).json()["state"] == state)

    return await until(so, within_s=40)


@asynccontextmanager
async def exporter() -> AsyncIterator[str]:
    """Serve metrics as an exporter does; give its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(EXPOSED)}"
        writer.write(f"{head}\r\nconnection: close\r\n\r\n{EXPOSED}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def config(stack: Stack, token: str, scrape: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration that scrapes every second and writes to the platform."""
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "icmp"} | scrape],
        "remote_write": [
            {
                "url": stack.url + WRITE,
                "authorization": {"credentials": token},
                "remote_timeout": "2s",
                "queue_config": {
                    "max_shards": 1,
                    "batch_send_deadline": "500ms",
                    "max_backoff": "500ms",
                },
            }
        ],
    }


async def scraped(client: httpx.AsyncClient, point: str) -> set[float]:
    """Return when Prometheus itself has scraped a point."""
    query = {"query": f'probe_success{{point="{point}"}}[10m]'}
    found = (await client.get("/api/v1/query", params=query)).json()["data"]["result"]
    return {float(time) for series in found for time, _ in series["values"]}


async def stored(stack: Stack, point: str) -> set[float]:
    """Return when a point was measured, as the platform has it."""
    async with stack.postgres.connect("monitoring") as connection:
        rows = await connection.fetch(
            "SELECT measure_time FROM measurements WHERE point_id = $1", point
        )
    return {row["measure_time"].timestamp() for row in rows}


@needs_prometheus
async def test_a_prometheus_feeds_points_and_catches_up_after_the_platform_was_away(
    fresh_stack: StartStack, tmp_path: Path
) -> None:
    stack = await fresh_stack()
    async with http_caller(stack) as api, exporter() as address:
        name = await active_point(api)
        point = name.rpartition("/")[2]
        targets = [
            {"targets": [address], "labels": {"point": one}} for one in (point, "NO-SUCH-POINT")
        ]
        token, scrape = await stack.token("64.01/operator"), {"static_configs": targets}
        async with running_prometheus(config(stack, token, scrape), tmp_path) as client:
            assert await becomes(api, name, "UP")
            pid = stack.children["monitoring"].pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            before = len(await scraped(client, point))

            async def some_were_scraped_meanwhile() -> bool:
                return len(await scraped(client, point)) >= before + 5

            assert await until(some_were_scraped_meanwhile, within_s=60)
            os.kill(pid, signal.SIGCONT)
            known = await scraped(client, point)

            async def all_are_there() -> bool:
                return known <= await stored(stack, point)

            assert await until(all_are_there, within_s=60)
        async with stack.postgres.connect("monitoring") as connection:
            rows = await connection.fetch(
                "SELECT DISTINCT success, rtt_mean_ms FROM measurements WHERE success"
            )
        assert [tuple(row) for row in rows] == [(True, 20.0)]


@pytest.mark.skipif(WITHOUT_SMOKEPING, reason=WHY_NO_SMOKEPING)
async def test_the_packets_of_a_smokeping_prober_are_those_that_it_counted(
    stack: Stack, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    host, name = "127.64.0.1", await active_point(api)
    point = name.rpartition("/")[2]
    of_host = {"source_labels": ["host"], "regex": host, "replacement": point}
    async with running_smokeping(host, tmp_path) as address:
        scrape = {
            "static_configs": [{"targets": [address]}],
            "metric_relabel_configs": [of_host | {"target_label": "point"}],
        }
        told = config(stack, await stack.token("64.01/operator"), scrape)
        async with running_prometheus(told, tmp_path) as client:
            assert await becomes(api, name, "UP")
            (series,) = await asked(client, f'smokeping_requests_total{{point="{point}"}}[10m]')
    counted = [(float(time), int(value)) for time, value in series["values"]]
    between = {first[0]: after[1] - first[1] for first, after in pairwise(counted)}
    async with stack.postgres.connect("monitoring") as connection:
        rows = await connection.fetch(
            "SELECT * FROM measurements WHERE point_id = $1 ORDER BY measure_time", point
        )
    seen = [row for row in rows if row["measure_time"].timestamp() in between]
    assert any(row["packets_received"] for row in seen)
    for row in seen:
        assert row["packets_sent"] == between[row["measure_time"].timestamp()]
        assert 0 <= row["packets_received"] <= row["packets_sent"]
        assert bool(row["rtt_mean_ms"]) == bool(row["packets_received"])


def sample(point: str) -> bytes:
    labels = {"__name__": "probe_success", "job": "icmp", "point": point}
    series = TimeSeries(
        labels=[Label(name=name, value=value) for name, value in labels.items()],
        samples=[Sample(timestamp=int(datetime.now(UTC).timestamp() * 1000), value=1)],
    )
    packed = WriteRequest(timeseries=[series]).SerializeToString()
    return bytes(cramjam.snappy.compress_raw(packed))


async def test_a_sender_of_samples_is_told_whether_to_come_again(
    stack: Stack, api: httpx.AsyncClient
) -> None:
    name = await active_point(api)
    good = await api.post(WRITE, content=sample(name.rpartition("/")[2]), headers=HEADERS)
    assert good.status_code == 200, good.text
    assert await becomes(api, name, "UP")
    unknown = await api.post(WRITE, content=sample("NO-SUCH"), headers=HEADERS)
    assert unknown.status_code == 400
    assert unknown.json()["details"][0]["reason"] == "SAMPLES_REJECTED"
    none = await api.post(WRITE, content=b"none", headers=HEADERS)
    assert none.json()["details"][0]["reason"] == "BODY_REFUSED"
    async with http_caller(stack, "64.01/viewer") as viewer:
        assert (await viewer.post(WRITE, content=b"", headers=HEADERS)).status_code == 403


async def test_a_stream_through_the_port_is_acknowledged_as_it_goes(
    api: httpx.AsyncClient, channel: grpc.aio.Channel
) -> None:
    name = await active_point(api)
    stub: Any = monitoring_service_pb2_grpc.MonitoringServiceStub(channel)
    call = stub.StreamMeasurements()
    for index in range(3):
        one = Measurement(point=name, source="router", success=True)
        one.time.FromDatetime(datetime.now(UTC) - timedelta(seconds=60 * index))
        await call.write(ReportMeasurementsRequest(parent=REGION, measurements=[one]))
        answer = await call.read()
        assert (answer.index, answer.accepted_count) == (index, 1)
    await call.done_writing()
    assert await call.read() == grpc.aio.EOF
    assert await becomes(api, name, "UP")


async def test_a_kill_of_monitoring_under_a_stream_loses_and_doubles_nothing(
    fresh_stack: StartStack,
) -> None:
    stack = await fresh_stack()
    async with http_caller(stack) as api, grpc_caller(stack) as channel:
        name = await active_point(api)
        stub: Any = monitoring_service_pb2_grpc.MonitoringServiceStub(channel)
        begin = datetime.now(UTC)
        left = [batch(name, begin - timedelta(seconds=10 * number)) for number in range(300)]
        killed = False

        async def all_are_acknowledged() -> bool:
            nonlocal killed
            try:
                async for _ in stub.StreamMeasurements(aiter_of(list(left))):
                    left.pop(0)
                    if not killed and len(left) < 250:
                        killed = True
                        os.kill(stack.children["monitoring"].pid or 0, signal.SIGKILL)
            except grpc.aio.AioRpcError as error:
                if error.code() not in BROKEN:
                    raise
            return not left

        assert await until(all_are_acknowledged, within_s=60)
        assert killed

        async def all_are_stored() -> bool:
            return len(await stored(stack, name.rpartition("/")[2])) == 300 * IN_BATCH

        assert await until(all_are_stored, within_s=60)
        async with stack.postgres.connect("monitoring") as connection:
            rows = await connection.fetchval("SELECT count(*) FROM measurements")
        assert rows == 300 * IN_BATCH


async def aiter_of(
    requests: list[ReportMeasurementsRequest],
) -> AsyncIterator[ReportMeasurementsRequest]:
    for request in requests:
        yield request


def batch(point: str, time: datetime) -> ReportMeasurementsRequest:
    """Return a request of measurements one second after the other."""
    request = ReportMeasurementsRequest(parent=REGION)
    for second in range(IN_BATCH):
        one = request.measurements.add(point=point, source="router", success=True)
        one.time.FromDatetime(time - timedelta(seconds=second))
    return request


async def test_a_file_of_daily_checks_becomes_the_status_of_a_school(
    api: httpx.AsyncClient,
) -> None:
    name = await active_point(api, externalIds={"npsn": "30499901", "giga": "synthetic-1"})
    time = datetime.now(UTC).isoformat()
    text = f"timestamp,school_id,download,upload,latency\n{time},30499901,12500,2500,35\n"
    wrong = f"{time},30499902,fast,2500,35\n"
    query = {"format": "GIGA_DAILY_CHECK", "validateOnly": "true"}
    dry = (await api.post(IMPORT, params=query, content=(text + wrong).encode())).json()
    assert (dry["committed"], dry["acceptedCount"], dry["rejectedCount"]) == (False, 1, 1)
    assert [(error["row"], error["column"]) for error in dry["errors"]] == [
        (3, "download"),
        (3, "school_id"),
    ]
    answer = await api.post(IMPORT, params={"format": "GIGA_DAILY_CHECK"}, content=text.encode())
    assert answer.json()["committed"], answer.text
    assert await becomes(api, name, "UP")
    typo = await api.post(IMPORT, params={"format": "GIGA"}, content=text.encode())
    assert (typo.status_code, "format" in typo.text) == (400, True)
