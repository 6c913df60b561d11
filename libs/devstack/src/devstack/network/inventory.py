"""What the network asks of the inventory and tells it, through its API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.field_mask_pb2 import FieldMask
from smartcity.inventory.v1 import circuit_pb2, point_pb2, provider_pb2, region_pb2
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.inventory_service_pb2_grpc import InventoryServiceStub
from smartcity.inventory.v1.point_pb2 import Point

from devstack.bearers import bearer_channel

PAGE = 1000
ANSWERED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Stock:
    """What the inventory holds of one region."""

    points: tuple[Point, ...]
    circuits: tuple[Circuit, ...]
    districts: tuple[region_pb2.District, ...]


class Inventory:
    """The inventory, as the region's operator uses it."""

    def __init__(self, channel: grpc.aio.Channel, region: str) -> None:
        self._stub: Any = InventoryServiceStub(channel)
        self._region = f"regions/{region}"

    async def stock(self) -> Stock:
        """Return the region's points, circuits and districts."""
        points = point_pb2.ListPointsRequest(parent=self._region, page_size=PAGE)
        circuits = circuit_pb2.ListCircuitsRequest(parent=f"{self._region}/points/-")
        circuits.page_size = PAGE
        districts = region_pb2.ListDistrictsRequest(parent=self._region, page_size=PAGE)
        return Stock(
            tuple([one async for one in _all(self._stub.ListPoints, points, "points")]),
            tuple([one async for one in _all(self._stub.ListCircuits, circuits, "circuits")]),
            tuple([one async for one in _all(self._stub.ListDistricts, districts, "districts")]),
        )

    async def require_provider(self, provider: str, display_name: str) -> str:
        """Return the provider's name; create it unless it is there."""
        name = f"{self._region}/providers/{provider}"
        draft = provider_pb2.Provider(display_name=display_name)
        request = provider_pb2.CreateProviderRequest(
            parent=self._region, provider_id=provider, provider=draft
        )
        try:
            await self._stub.CreateProvider(request, timeout=ANSWERED_WITHIN_S)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.ALREADY_EXISTS:
                raise
        return name

    async def describe(self, point: Point) -> Point:
        """Store the point's technology and tags, unless somebody was faster."""
        mask = FieldMask(paths=["technology", "tags"])
        request = point_pb2.UpdatePointRequest(point=point, update_mask=mask)
        stored: Point = await self._stub.UpdatePoint(request, timeout=ANSWERED_WITHIN_S)
        return stored

    async def lay(self, point: str, circuit_id: str, circuit: Circuit) -> None:
        """Create a circuit of the point."""
        request = circuit_pb2.CreateCircuitRequest(
            parent=point, circuit_id=circuit_id, circuit=circuit
        )
        await self._stub.CreateCircuit(request, timeout=ANSWERED_WITHIN_S)

    async def activate(self, point: Point) -> None:
        """Put the point into service, unless somebody was faster."""
        request = point_pb2.ActivatePointRequest(name=point.name, etag=point.etag)
        await self._stub.ActivatePoint(request, timeout=ANSWERED_WITHIN_S)


@asynccontextmanager
async def open_inventory(address: str, token: str, region: str) -> AsyncIterator[Inventory]:
    """Give the inventory at HOST:PORT, asked with this token or, when it is "", with none."""
    async with bearer_channel(address, token) as channel:
        yield Inventory(channel, region)


async def _all(call: Any, request: Any, field: str) -> AsyncIterator[Any]:
    """Give the items of all pages."""
    while True:
        answer = await call(request, timeout=ANSWERED_WITHIN_S, wait_for_ready=True)
        for item in getattr(answer, field):
            yield item
        if not answer.next_page_token:
            return
        request.page_token = answer.next_page_token
