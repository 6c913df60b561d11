"""A real gRPC server with a handful of the inventory's methods, for the edge to stand before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from common.errors import FieldsInvalid, Violation
from common.rpc.status import to_status
from common.rpc.tls import server_credentials
from google.api import httpbody_pb2
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from smartcity.inventory.v1 import (
    inventory_service_pb2_grpc,
    point_pb2,
    point_transfer_pb2,
    region_pb2,
)
from smartcity.inventory.v1.point_pb2 import Point

Context = grpc.aio.ServicerContext[Any, Any]
MIB = 1024 * 1024
SERVICE = "smartcity.inventory.v1.InventoryService"


class Inventory(inventory_service_pb2_grpc.InventoryServiceServicer):
    """Answers with what it was asked, so that a test sees what arrived."""

    def __init__(self) -> None:
        self.calls = 0
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()

    async def GetPoint(self, request: point_pb2.GetPointRequest, context: Context) -> Any:  # noqa: N802
        code = request.name.rpartition("/")[2]
        self.calls += 1
        if code == "GONE":
            await context.abort_with_status(rpc_status.to_status(missing(request.name)))
        if code == "DEADLINE":
            left = context.time_remaining()
            await context.abort(grpc.StatusCode.ABORTED, f"left {left and round(left)}")
        if code == "WAITS":
            self.arrived.set()
            await self.released.wait()
        if code == "HANGS":
            await asyncio.get_running_loop().create_future()
        return Point(name=request.name, display_name="Kantor Desa", kind=Point.VILLAGE_OFFICE)

    async def ListPoints(self, request: point_pb2.ListPointsRequest, context: Context) -> Any:  # noqa: N802, ARG002
        asked = f"{request.page_size} {list(request.kind)} {request.query}"
        return point_pb2.ListPointsResponse(next_page_token=asked)

    async def ListRegions(self, request: Any, context: Context) -> Any:  # noqa: N802, ARG002
        return region_pb2.ListRegionsResponse()

    async def CreatePoint(self, request: point_pb2.CreatePointRequest, context: Context) -> Any:  # noqa: N802
        if request.point.village.endswith("0000"):
            wrong = [Violation("point.village", f"dry run {request.validate_only}", "UNKNOWN")]
            status = to_status(FieldsInvalid(wrong), "inventory")
            await context.abort_with_status(rpc_status.to_status(status))
        return request.point

    async def UpdatePoint(self, request: point_pb2.UpdatePointRequest, context: Context) -> Any:  # noqa: N802, ARG002
        point = Point()
        point.CopyFrom(request.point)
        point.source = ",".join(request.update_mask.paths)
        return point

    async def ActivatePoint(self, request: point_pb2.ActivatePointRequest, context: Context) -> Any:  # noqa: N802, ARG002
        return Point(name=request.name, state=Point.ACTIVE, etag=request.etag)

    async def ImportPoints(  # noqa: N802
        self,
        request: point_transfer_pb2.ImportPointsRequest,
        context: Context,  # noqa: ARG002
    ) -> Any:
        row = point_transfer_pb2.RowError(
            column=request.file.content_type, value=request.file.data[:20].hex()
        )
        return point_transfer_pb2.ImportReport(row_count=len(request.file.data), errors=[row])

    async def ExportPoints(  # noqa: N802
        self,
        request: point_transfer_pb2.ExportPointsRequest,  # noqa: ARG002
        context: Context,
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        named = 'attachment; filename="points.csv"'
        await context.send_initial_metadata((("content-disposition", named),))
        for line in (b"code,name\n", b"PSR-1,Satu\n"):
            yield httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=line)


def missing(name: str) -> status_pb2.Status:
    info = any_pb2.Any()
    info.Pack(error_details_pb2.ErrorInfo(reason="RESOURCE_MISSING", domain="inventory"))
    return status_pb2.Status(code=code_pb2.NOT_FOUND, message=f"no {name}", details=[info])


class Upstream:
    """The server, on the port it was first given, and its health."""

    def __init__(self, address: str, tls_folder: Path | None = None) -> None:
        self.address = address
        self._tls_folder = tls_folder
        # The stub calls every method abstract; those not written answer UNIMPLEMENTED.
        self.inventory = Inventory()  # type: ignore[abstract]
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", 33 * MIB), ("grpc.so_reuseport", 0)]
        )

    async def start(self) -> None:
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(
            self.inventory, self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._tls_folder is None:
            self._server.add_insecure_port(self.address)
        else:
            self._server.add_secure_port(self.address, server_credentials(self._tls_folder))
        await self.serving(able=True)
        await self._server.start()

    async def serving(self, *, able: bool) -> None:
        states = health_pb2.HealthCheckResponse
        for name in ("", SERVICE):
            await self._health.set(name, states.SERVING if able else states.NOT_SERVING)

    async def stop(self, grace_s: float | None = None) -> None:
        await self._server.stop(grace_s)
