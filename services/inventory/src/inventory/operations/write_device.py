"""Creating, changing and deleting devices."""

from common.names import region_of
from common.postgres.database import Connection
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import device_pb2
from smartcity.inventory.v1.device_pb2 import Device

from inventory.operations import mutations
from inventory.operations.dependencies import Dependencies
from inventory.storage import devices


async def create_device(needs: Dependencies, request: device_pb2.CreateDeviceRequest) -> Device:
    """Create a device, in the store."""

    async def act(connection: Connection) -> Device:
        draft = request.device
        draft.name = f"{request.parent}/devices/{request.device_id or needs.new_id()}"
        draft.state = Device.IN_STOCK
        draft.ClearField("point")
        create = mutations.create
        return await create(connection, devices, request, draft, mutations.nothing_more)

    region = region_of(request.parent)
    return await mutations.mutate(needs.database, request, region, Device, act)


async def update_device(needs: Dependencies, request: device_pb2.UpdateDeviceRequest) -> Device:
    """Change the masked fields of a device."""

    async def act(connection: Connection) -> Device:
        update = mutations.update
        return await update(connection, devices, request, "device", mutations.nothing_more)

    region = region_of(request.device.name)
    return await mutations.mutate(needs.database, request, region, Device, act)


async def delete_device(needs: Dependencies, request: device_pb2.DeleteDeviceRequest) -> Empty:
    """Delete a device that never stood anywhere."""
    return await mutations.delete_resource(needs.database, devices, request)
