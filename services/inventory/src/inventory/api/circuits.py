"""The methods for circuits."""

from common.errors import ResourceMissing
from common.names import ANY, ids, last_id, region_of
from common.postgres.database import Connection
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import circuit_pb2

from inventory.operations.dependencies import Dependencies
from inventory.operations.write_circuit import create_circuit, delete_circuit, update_circuit
from inventory.storage import circuits, points
from inventory.storage.regions import require_region


async def _require_parent(connection: Connection, point: str) -> None:
    if last_id(point) == ANY:
        await require_region(connection, region_of(point))
    elif await points.read(connection, point) is None:
        raise ResourceMissing(point)


class CircuitMethods:
    """Answers about circuits."""

    needs: Dependencies

    async def GetCircuit(
        self, request: circuit_pb2.GetCircuitRequest, _: Context
    ) -> circuit_pb2.Circuit:
        """Return a circuit."""
        async with self.needs.database.read() as connection:
            circuit = await circuits.read(connection, request.name)
        if circuit is None:
            raise ResourceMissing(request.name)
        return circuit

    async def ListCircuits(
        self, request: circuit_pb2.ListCircuitsRequest, _: Context
    ) -> circuit_pb2.ListCircuitsResponse:
        """List circuits."""
        page = Page(request, key=(str, str))
        async with self.needs.database.read() as connection:
            listed = await circuits.list_page(connection, request, page)
            if not listed.total:
                await _require_parent(connection, request.parent)
        return circuit_pb2.ListCircuitsResponse(
            circuits=listed.items,
            next_page_token=page.token(*ids(listed.items[-1].name)[1:]) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateCircuit(
        self, request: circuit_pb2.CreateCircuitRequest, _: Context
    ) -> circuit_pb2.Circuit:
        """Create a circuit."""
        return await create_circuit(self.needs, request)

    async def UpdateCircuit(
        self, request: circuit_pb2.UpdateCircuitRequest, _: Context
    ) -> circuit_pb2.Circuit:
        """Change fields of a circuit."""
        return await update_circuit(self.needs, request)

    async def DeleteCircuit(self, request: circuit_pb2.DeleteCircuitRequest, _: Context) -> Empty:
        """Delete a circuit."""
        return await delete_circuit(self.needs, request)
