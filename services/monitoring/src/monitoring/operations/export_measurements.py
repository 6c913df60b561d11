"""Exporting the measurements of a point as a file, as they are stored."""

from collections.abc import AsyncIterator
from datetime import UTC
from typing import BinaryIO

from common.errors import ResourceMissing
from common.names import ids, last_id
from common.rpc.downloads import BYTE_ORDER_MARK, spooled
from smartcity.monitoring.v1.measurement_history_pb2 import ExportMeasurementsRequest

from monitoring.operations.dependencies import Dependencies
from monitoring.storage import measurements, points
from monitoring.storage.measurements import PointKey

MEDIA_TYPE = "text/csv; charset=utf-8"


def file_name(request: ExportMeasurementsRequest) -> str:
    """Return the file's name."""
    return f"measurements-{last_id(request.parent)}.csv"


async def export_measurements(
    needs: Dependencies, request: ExportMeasurementsRequest
) -> AsyncIterator[bytes]:
    """Yield the file piece by piece, all of one moment.

    Raises:
        ResourceMissing: There is no such point.
    """
    region, point_id = ids(request.parent)
    key = PointKey(region, point_id)
    start, end = (
        getattr(request, name).ToDatetime(UTC) if request.HasField(name) else None
        for name in ("start_time", "end_time")
    )

    async def write(file: BinaryIO) -> None:
        async with needs.database.snapshot() as connection:
            if not await points.known(connection, region, [point_id]):
                raise ResourceMissing(request.parent)
            file.write(BYTE_ORDER_MARK.encode())
            await measurements.copy_csv(connection, key, (start, end), request.source, file)

    async for piece in spooled(write):
        yield piece
