"""Creating, changing and deleting devices."""

from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, nothing_more
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import device_pb2
from smartcity.inventory.v1.device_pb2 import Device

from inventory.operations.dependencies import Dependencies
from inventory.operations.publish import MUTATIONS
from inventory.storage import devices


async def create_device(needs: Dependencies, request: device_pb2.CreateDeviceRequest) -> Device:
    """Create a device, in the store."""

    async def act(connection: Connection) -> Device:
        draft = request.device
        draft.name = f"{request.parent}/devices/{request.device_id or needs.new_id()}"
        draft.state = Device.IN_STOCK
        draft.ClearField("point")
        return await MUTATIONS.create(connection, devices, request, draft, nothing_more)

    region = region_of(request.parent)
    return await mutate(needs.database, request, region, Device, act)


async def update_device(needs: Dependencies, request: device_pb2.UpdateDeviceRequest) -> Device:
    """Change the masked fields of a device."""

    async def act(connection: Connection) -> Device:
        return await MUTATIONS.update(connection, devices, request, "device", nothing_more)

    region = region_of(request.device.name)
    return await mutate(needs.database, request, region, Device, act)


async def delete_device(needs: Dependencies, request: device_pb2.DeleteDeviceRequest) -> Empty:
    """Delete a device that never stood anywhere."""
    return await MUTATIONS.delete_resource(needs.database, devices, request)
