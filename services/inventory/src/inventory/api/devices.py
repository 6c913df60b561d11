"""The methods for devices."""

from datetime import UTC, datetime

from common.errors import ResourceMissing
from common.names import last_id, region_of
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import device_pb2

from inventory.operations.dependencies import Dependencies
from inventory.operations.place_device import place_device
from inventory.operations.write_device import create_device, delete_device, update_device
from inventory.storage import devices
from inventory.storage.regions import require_region


class DeviceMethods:
    """Answers about devices."""

    needs: Dependencies

    async def GetDevice(
        self, request: device_pb2.GetDeviceRequest, _: Context
    ) -> device_pb2.Device:
        """Return a device."""
        async with self.needs.database.read() as connection:
            device = await devices.read(connection, request.name)
        if device is None:
            raise ResourceMissing(request.name)
        return device

    async def ListDevices(
        self, request: device_pb2.ListDevicesRequest, _: Context
    ) -> device_pb2.ListDevicesResponse:
        """List devices."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await devices.list_page(connection, request, page)
            if not listed.total:
                await require_region(connection, region_of(request.parent))
        return device_pb2.ListDevicesResponse(
            devices=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateDevice(
        self, request: device_pb2.CreateDeviceRequest, _: Context
    ) -> device_pb2.Device:
        """Create a device."""
        return await create_device(self.needs, request)

    async def UpdateDevice(
        self, request: device_pb2.UpdateDeviceRequest, _: Context
    ) -> device_pb2.Device:
        """Change fields of a device."""
        return await update_device(self.needs, request)

    async def DeleteDevice(self, request: device_pb2.DeleteDeviceRequest, _: Context) -> Empty:
        """Delete a device."""
        return await delete_device(self.needs, request)

    async def InstallDevice(
        self, request: device_pb2.InstallDeviceRequest, _: Context
    ) -> device_pb2.Device:
        """Put a device into a point."""
        return await place_device(self.needs, request, "install")

    async def RemoveDevice(
        self, request: device_pb2.RemoveDeviceRequest, _: Context
    ) -> device_pb2.Device:
        """Take a device out of its point."""
        return await place_device(self.needs, request, "remove")

    async def RetireDevice(
        self, request: device_pb2.RetireDeviceRequest, _: Context
    ) -> device_pb2.Device:
        """Take a device out of use."""
        return await place_device(self.needs, request, "retire")

    async def ListDevicePlacements(
        self, request: device_pb2.ListDevicePlacementsRequest, _: Context
    ) -> device_pb2.ListDevicePlacementsResponse:
        """List where a device has been."""
        page = Page(request, key=(datetime.fromisoformat,))
        async with self.needs.database.read() as connection:
            listed = await devices.list_placements(connection, request.parent, page)
            if not listed.total and await devices.read(connection, request.parent) is None:
                raise ResourceMissing(request.parent)
        return device_pb2.ListDevicePlacementsResponse(
            placements=listed.items,
            next_page_token=page.token(_installed(listed.items[-1])) if listed.more else "",
            total_size=listed.total,
        )


def _installed(placement: device_pb2.DevicePlacement) -> str:
    return placement.install_time.ToDatetime(UTC).isoformat()
