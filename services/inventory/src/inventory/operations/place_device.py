"""Installing a device in a point, taking it out, retiring it."""

from functools import partial

from common.errors import FieldsInvalid, Violation
from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, read_for_change
from smartcity.inventory.v1 import device_pb2
from smartcity.inventory.v1.device_pb2 import Device
from smartcity.inventory.v1.point_pb2 import Point

from inventory.domain.device_states import require
from inventory.operations.dependencies import Dependencies
from inventory.operations.publish import MUTATIONS
from inventory.storage import devices, points

Verb = (
    device_pb2.InstallDeviceRequest
    | device_pb2.RemoveDeviceRequest
    | device_pb2.RetireDeviceRequest
)
LEADS_TO = {"install": Device.INSTALLED, "remove": Device.IN_STOCK, "retire": Device.RETIRED}


async def place_device(needs: Dependencies, request: Verb, verb: str) -> Device:
    """Install, remove or retire a device.

    Raises:
        DeviceStateWrong: The verb does not fit the state that the device is in.
        FieldsInvalid: The point does not exist in the device's region, or is retired.
    """
    act = partial(_place, request, verb)
    region = region_of(request.name)
    return await mutate(needs.database, request, region, Device, act)


async def _place(request: Verb, verb: str, connection: Connection) -> Device:
    before = await read_for_change(connection, devices, request.name, request.etag)
    require(verb, Device.State.Name(before.state))
    after = Device()
    after.CopyFrom(before)
    after.state = LEADS_TO[verb]
    after.point = ""
    if isinstance(request, device_pb2.InstallDeviceRequest):
        after.point = await _usable_point(connection, request)
        await devices.place(connection, request.name, after.point)
    else:
        await devices.displace(connection, request.name)
    stored = await devices.update(connection, after)
    await MUTATIONS.publish(connection, request, verb, before=before, after=stored)
    return stored


async def _usable_point(connection: Connection, request: device_pb2.InstallDeviceRequest) -> str:
    point = None
    if region_of(request.point) == region_of(request.name):
        point = await points.read(connection, request.point, lock=True)
    if point is None:
        sentence = f"there is no {request.point} in regions/{region_of(request.name)}"
        raise FieldsInvalid([Violation("point", sentence, "POINT_UNKNOWN")])
    if point.state == Point.RETIRED:
        sentence = f"{request.point} is RETIRED; choose a point that is in use or planned"
        raise FieldsInvalid([Violation("point", sentence, "POINT_RETIRED")])
    return request.point
