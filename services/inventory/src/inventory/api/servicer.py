"""The servicer of `InventoryService`: the methods of every resource together."""

import grpc
from common.rpc.changes import list_changes
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
        return await list_changes(self.needs.database, request, change_pb2.ListChangesResponse)


def published(needs: Dependencies) -> Published:
    """Return the service as the server takes it."""
    servicer = InventoryServicer(needs)

    def add(server: grpc.aio.Server) -> None:
        inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(servicer, server)

    return Published(SERVICE, add, CHECKED_BY_OPERATION)
