"""Devices and their placements: rows as messages and messages as rows."""

import asyncpg
from common.errors import Kind, ResourceExists, ResourceMissing, ServiceError
from common.names import ids, last_id, region_of
from common.postgres.database import Connection, Row
from common.postgres.listing import Listed, read_page
from common.postgres.pages import Page
from common.postgres.values import Enumeration, etag, present, timestamp
from smartcity.inventory.v1 import device_pb2
from smartcity.inventory.v1.device_pb2 import Device, DevicePlacement

from inventory.storage.values import broken_constraint, region_name

KINDS = Enumeration(Device.Kind)
STATES = Enumeration(Device.State)

NAMED = device_pb2.GetDeviceRequest

WRITTEN = """
       region_code, device_id, display_name, kind, vendor, model, serial_number, state, point_id"""
COLUMNS = WRITTEN + ", version, create_time, update_time"


class SerialNumberTaken(ServiceError):
    """Another device of the region has this serial number."""

    kind = Kind.EXISTS
    reason = "SERIAL_NUMBER_TAKEN"


class DeviceWasInstalled(ServiceError):
    """The device has a history; it can be retired, not deleted."""

    kind = Kind.WRONG_STATE
    reason = "DEVICE_WAS_INSTALLED"


def from_row(row: Row) -> Device:
    """Return the device that a row with COLUMNS holds."""
    region = region_name(row["region_code"])
    point = row["point_id"]
    return Device(
        name=f"{region}/devices/{row['device_id']}",
        display_name=row["display_name"],
        kind=KINDS.number(row["kind"]),
        vendor=row["vendor"],
        model=row["model"],
        serial_number=row["serial_number"],
        state=STATES.number(row["state"]),
        point=f"{region}/points/{point}" if point else "",
        etag=etag(row["version"], row["update_time"]),
        create_time=timestamp(row["create_time"]),
        update_time=timestamp(row["update_time"]),
    )


def to_row(device: Device) -> tuple[object, ...]:
    """Return the values of WRITTEN."""
    return (
        *ids(device.name),
        device.display_name,
        KINDS.text(device.kind),
        device.vendor,
        device.model,
        device.serial_number,
        STATES.text(device.state),
        last_id(device.point) or None,
    )


GET = f"""
SELECT {COLUMNS}
  FROM devices
 WHERE region_code = $1 AND device_id = $2
"""


async def read(connection: Connection, name: str, *, lock: bool = False) -> Device | None:
    """Return the device of this name, locked until the transaction's end when asked."""
    row = await connection.fetchrow(GET + ("FOR UPDATE" if lock else ""), *ids(name))
    return from_row(row) if row else None


INSERT = f"""
INSERT INTO devices ({WRITTEN})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING {COLUMNS}
"""


async def insert(connection: Connection, device: Device) -> Device:
    """Store a new device and return it as stored.

    Raises:
        ResourceExists, SerialNumberTaken: Its id or serial number is in use.
        ResourceMissing: The region does not exist.
    """
    try:
        row = await connection.fetchrow(INSERT, *to_row(device))
    except asyncpg.UniqueViolationError as error:
        raise _taken(device, error) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise ResourceMissing(region_name(region_of(device.name))) from error
    return from_row(present(row))


UPDATE = f"""
UPDATE devices
   SET display_name = $3, kind = $4, vendor = $5, model = $6, serial_number = $7, state = $8,
       point_id = $9, version = version + 1, update_time = now()
 WHERE region_code = $1 AND device_id = $2
RETURNING {COLUMNS}
"""


async def update(connection: Connection, device: Device) -> Device:
    """Store a changed device and return it as stored.

    Raises:
        SerialNumberTaken: Another device has its serial number.
    """
    try:
        row = await connection.fetchrow(UPDATE, *to_row(device))
    except asyncpg.UniqueViolationError as error:
        raise _taken(device, error) from error
    return from_row(present(row))


DELETE = """
DELETE FROM devices
 WHERE region_code = $1 AND device_id = $2
"""


async def delete(connection: Connection, name: str) -> None:
    """Remove a device that never stood anywhere.

    Raises:
        DeviceWasInstalled: It has placements.
    """
    try:
        await connection.execute(DELETE, *ids(name))
    except asyncpg.ForeignKeyViolationError as error:
        raise DeviceWasInstalled(
            f"{name} was installed; retire it instead", resource=name
        ) from error


FILTERS = """
 WHERE region_code = $1
   AND ($2::text IS NULL OR point_id = $2)
   AND ($3::text[] IS NULL OR kind = ANY ($3))
   AND ($4::text[] IS NULL OR state = ANY ($4))
   AND ($5::text IS NULL OR strpos(search_text, $5) > 0)"""

LIST = f"""
SELECT {COLUMNS}
  FROM devices{FILTERS}
   AND ($6::text IS NULL OR device_id > $6)
 ORDER BY device_id
 LIMIT $7
"""

COUNT = f"""
SELECT count(*)
  FROM devices{FILTERS}
"""


async def list_page(
    connection: Connection, request: device_pb2.ListDevicesRequest, page: Page
) -> Listed[Device]:
    """Return the devices of the page."""
    filters = (
        last_id(request.parent),
        last_id(request.point) or None,
        KINDS.filter(request.kind),
        STATES.filter(request.state),
        request.query.lower() or None,
    )
    return await read_page(connection, (LIST, COUNT), filters, page, from_row)


PLACE = """
INSERT INTO device_placements (region_code, device_id, point_id, install_time)
VALUES ($1, $2, $3, clock_timestamp())
"""

DISPLACE = """
UPDATE device_placements
   SET remove_time = clock_timestamp()
 WHERE region_code = $1 AND device_id = $2 AND remove_time IS NULL
"""


async def place(connection: Connection, device: str, point: str) -> None:
    """Begin the device's stay in the point."""
    await connection.execute(PLACE, *ids(device), last_id(point))


async def displace(connection: Connection, device: str) -> None:
    """End the device's stay, if it stands anywhere."""
    await connection.execute(DISPLACE, *ids(device))


LIST_PLACEMENTS = """
SELECT region_code, point_id, install_time, remove_time
  FROM device_placements
 WHERE region_code = $1 AND device_id = $2
   AND ($3::timestamptz IS NULL OR install_time < $3)
 ORDER BY install_time DESC
 LIMIT $4
"""

COUNT_PLACEMENTS = """
SELECT count(*)
  FROM device_placements
 WHERE region_code = $1 AND device_id = $2
"""


async def list_placements(
    connection: Connection, device: str, page: Page
) -> Listed[DevicePlacement]:
    """Return where the device has been, the latest stay first."""
    rows = await connection.fetch(LIST_PLACEMENTS, *ids(device), *page.after, page.limit)
    total = await connection.fetchval(COUNT_PLACEMENTS, *ids(device))
    placements = [_placement(row) for row in rows[: page.size]]
    return Listed(placements, len(rows) > page.size, total)


def _placement(row: Row) -> DevicePlacement:
    removed = row["remove_time"]
    return DevicePlacement(
        point=f"{region_name(row['region_code'])}/points/{row['point_id']}",
        install_time=timestamp(row["install_time"]),
        remove_time=timestamp(removed) if removed else None,
    )


def _taken(
    device: Device, error: asyncpg.UniqueViolationError
) -> ResourceExists | SerialNumberTaken:
    if broken_constraint(error) == "devices_serial_number_once":
        number = device.serial_number
        return SerialNumberTaken(f"another device has the serial number {number}", given=number)
    return ResourceExists(device.name)
