"""One trace leads from the edge to the effect in another process."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import nats
import pytest
from devstack.callers import http_caller
from devstack.ports import free_ports
from devstack.stack import Stack
from devstack.testing import StartStack
from devstack.waiting import until
from nats.js.api import ConsumerConfig, DeliverPolicy
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

POINTS = "/v1/regions/64.01/points"
DRAFT = {
    "displayName": "Titik",
    "kind": "OPD",
    "village": "regions/64.01/villages/64.01.06.2012",
    "contact": {"displayName": "Budi Santoso", "phone": "081254321987"},
}
FORCED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Receives OTLP as a collector does."""

    address: str
    spans: list[Span] = field(default_factory=list)
    packed: list[bytes] = field(default_factory=list)
    events: int = 0
    """What spans hold of exceptions."""

    async def Export(self, request: Any, _: Any) -> Any:  # noqa: N802 - gRPC's name
        self.packed.append(request.SerializeToString())
        for resource in request.resource_spans:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.events += sum(len(one.events) for one in scope.spans)
                self.spans += [_span(named["service.name"], one) for one in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def of(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id == trace_id]


def _span(service: str, span: Any) -> Span:
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Span(service, span.name, *ids)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    (port,) = free_ports(1)
    receiving = Collector(f"127.0.0.1:{port}")
    server = grpc.aio.server()
    add: Any = trace_service_pb2_grpc.add_TraceServiceServicer_to_server
    add(receiving, server)
    server.add_insecure_port(receiving.address)
    await server.start()
    yield receiving
    await server.stop(None)


async def created(stack: Stack, number: int) -> httpx.Response:
    async with http_caller(stack) as client:
        query = {"pointId": f"TR-{number}"}
        headers = {
            "traceparent": FORCED,
            "x-client-trace-id": "EVIL",
            "x-envoy-force-trace": "true",
        }
        answer = await client.post(POINTS, params=query, headers=headers, json=DRAFT)
        assert answer.status_code == 200, answer.text
        return answer


def path_of(spans: Sequence[Span]) -> list[Span]:
    """Return the effect in monitoring and what is above it, as far as it is known yet.

    The last has no parent: a caller's own trace decides nothing.
    """
    above = {span.span_id: span for span in spans}
    path = [s for s in spans if (s.service, s.name) == ("monitoring", "INSERT")][:1]
    while path and path[-1].parent_id in above:
        path.append(above[path[-1].parent_id])
    return path


async def test_a_trace_leads_from_the_edge_to_the_effect_in_another_process(
    fresh_stack: StartStack, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    stack = await fresh_stack(otlp_address=collector.address)
    trace_id = (await created(stack, 1)).headers["x-trace-id"]

    async def whole() -> bool:
        return [one.parent_id for one in path_of(collector.of(trace_id))][-1:] == [""]

    assert await until(whole, within_s=30)
    found = collector.of(trace_id)
    path = path_of(found)
    assert {span.service for span in path} == {"gateway", "inventory", "monitoring"}
    assert [span.name for span in path] == [
        "INSERT",
        "monitoring-points smartcity.6401.inventory.point.created.v1",
        "publish smartcity.6401.inventory.point.created.v1",
        "smartcity.inventory.v1.InventoryService/CreatePoint",
        "ingress",
    ]
    call = path[-2]
    statements = {span.name for span in found if span.parent_id == call.span_id}
    assert {"BEGIN;", "INSERT", "COMMIT;"} <= statements
    async with http_caller(stack) as client:
        (change,) = (await client.get(f"{POINTS}/TR-1:listChanges")).json()["changes"]
    assert (change["traceId"], change["grant"]) == (trace_id, "64.01/operator")
    log = (stack.state.logs / "inventory.log").read_text()
    assert f'"trace_id":"{trace_id}"' in log
    async with http_caller(stack) as client:
        listed = await client.get(POINTS, params={"query": "Budi Santoso rahasia"})
        again = await client.post(POINTS, params={"pointId": "TR-1"}, json=DRAFT)
    assert again.status_code == 409
    ids = {answer.headers["x-trace-id"] for answer in (listed, again)}

    async def both_told() -> bool:
        return all({s.service for s in collector.of(i)} == {"gateway", "inventory"} for i in ids)

    assert await until(both_told, within_s=30)
    assert collector.events == 0
    for packed in collector.packed:
        assert b"rahasia" not in packed
        assert b"EVIL" not in packed
        assert b"Santoso" not in packed
        assert b"081254321987" not in packed


async def test_without_a_collector_the_trace_is_passed_on_all_the_same(stack: Stack) -> None:
    answer = await created(stack, 2)
    trace_id = answer.headers["x-trace-id"]
    client = await nats.connect(stack.nats.url)
    try:
        follow = await client.jetstream().subscribe(
            "smartcity.6401.inventory.point.created.v1",
            ordered_consumer=True,
            config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
        )
        headers: dict[str, str] = {}
        while headers.get("ce-subject") != answer.json()["name"]:
            headers = (await follow.next_msg(10)).headers or {}
    finally:
        await client.close()
    assert headers["traceparent"].split("-")[1] == trace_id
    assert headers["traceparent"].endswith("-00")
