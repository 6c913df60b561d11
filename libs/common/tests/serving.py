"""A service of one method, in a process of its own: `python serving.py`; GetPoint does as told."""

import asyncio
from pathlib import Path

from common.errors import ResourceMissing
from common.rpc.interceptor import Context
from common.rpc.server import Published, serve
from common.settings import ServiceSettings, load
from common.telemetry.logs import configure_logs
from smartcity.inventory.v1 import (
    inventory_service_pb2,
    inventory_service_pb2_grpc,
    point_pb2,
)

NAME = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"].full_name


class Settings(ServiceSettings):
    """Where the files lie by which a test speaks with this process."""

    folder: Path


class Servicer(inventory_service_pb2_grpc.InventoryServiceServicer):
    """Answers, waits, refuses or fails, as the point's id says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def GetPoint(self, request: point_pb2.GetPointRequest, _: Context) -> point_pb2.Point:  # noqa: N802
        """Do what the id says."""
        match request.name.rpartition("/")[2]:
            case "WAITS":
                (self._folder / "arrived").touch()
                while not (self._folder / "released").exists():  # noqa: ASYNC110 - a file
                    await asyncio.sleep(0.01)
            case "HANGS":
                await asyncio.get_running_loop().create_future()
            case "GONE":
                raise ResourceMissing(request.name)
            case "FAILS":
                raise ZeroDivisionError("password=hush")
        return point_pb2.Point(name=request.name)


async def main() -> None:
    """Serve until SIGTERM; able to work unless the file `unable` is there."""
    settings = load(Settings)
    configure_logs("INFO", "serving")
    # The stub calls every method abstract; those not written answer UNIMPLEMENTED.
    servicer = Servicer(settings.folder)  # type: ignore[abstract]

    async def able() -> bool:
        return not (settings.folder / "unable").exists()

    published = Published(
        NAME,
        lambda server: inventory_service_pb2_grpc.add_InventoryServiceServicer_to_server(
            servicer, server
        ),
    )
    await serve("inventory", [published], settings, probe=able)


if __name__ == "__main__":
    asyncio.run(main())
