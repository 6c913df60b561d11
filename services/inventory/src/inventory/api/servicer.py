"""The servicer of `InventoryService`: the methods of every resource together."""

import grpc
from common.errors import ResourceMissing
from common.postgres import history
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from common.rpc.server import Published
from smartcity.inventory.v1 import change_pb2, inventory_service_pb2, inventory_service_pb2_grpc

from inventory.api.circuits import CircuitMethods
from inventory.api.devices import DeviceMethods
from inventory.api.points import PointMethods
from inventory.api.providers import ProviderMethods
from inventory.api.regions import RegionMethods
from inventory.operations.dependencies import Dependencies

SERVICE = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"].full_name
CHECKED_BY_OPERATION = frozenset(
    f"{verb}{resource}"
    for verb in ("Create", "Update")
    for resource in ("Point", "Circuit", "Device", "Provider")
)
"""Their operations add what the proto's rules cannot see, so that all violations come at once."""


class InventoryServicer(
    RegionMethods,
    PointMethods,
    CircuitMethods,
    DeviceMethods,
    ProviderMethods,
    inventory_service_pb2_grpc.InventoryServiceServicer,
):
    """Answers every call of the inventory."""

    def __init__(self, needs: Dependencies) -> None:
        self.needs = needs

    async def ListChanges(
        self, request: change_pb2.ListChangesRequest, _: Context
    ) -> change_pb2.ListChangesResponse:
        """List the history of a resource."""
        page = Page(request, key=(int,))
        async with self.needs.database.read() as connection:
            listed, last = await history.list_page(connection, request.name, page)
        if not listed.total:
            raise ResourceMissing(request.name)
        return change_pb2.ListChangesResponse(
            changes=listed.items,
            next_page_token=page.token(str(last)) if listed.more else "",
            total_size=listed.total,
        )


def published(needs: Dependencies) -> Published:
    """Return the service as the server takes it."""
    servicer = InventoryServicer(needs)

    def add(server: grpc.aio.Server) -> None:
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(servicer, server)

    return Published(SERVICE, add, CHECKED_BY_OPERATION)
