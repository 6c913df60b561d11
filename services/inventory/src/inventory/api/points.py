"""The methods for points."""

from collections.abc import AsyncIterator

from common.errors import ResourceMissing
from common.names import last_id, region_of
from common.postgres.pages import Page
from common.rpc.downloads import disposition
from common.rpc.interceptor import Context
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty
from smartcity.inventory.v1 import point_pb2, point_transfer_pb2

from inventory.operations.dependencies import Dependencies
from inventory.operations.export_points import export_points, file_name, form_of
from inventory.operations.find_duplicate_points import find_duplicate_points
from inventory.operations.import_points import import_points
from inventory.operations.write_point import (
    change_point_state,
    create_point,
    delete_point,
    update_point,
)
from inventory.storage import points
from inventory.storage.regions import require_region


class PointMethods:
    """Answers about points."""

    needs: Dependencies

    async def GetPoint(self, request: point_pb2.GetPointRequest, _: Context) -> point_pb2.Point:
        """Return a point."""
        async with self.needs.database.read() as connection:
            point = await points.read(connection, request.name)
        if point is None:
            raise ResourceMissing(request.name)
        return point

    async def ListPoints(
        self, request: point_pb2.ListPointsRequest, _: Context
    ) -> point_pb2.ListPointsResponse:
        """List points."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed = await points.list_page(connection, request, page, self.needs.known_points)
            if not listed.total:
                await require_region(connection, region_of(request.parent))
        return point_pb2.ListPointsResponse(
            points=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].name)) if listed.more else "",
            total_size=listed.total,
        )

    async def CreatePoint(
        self, request: point_pb2.CreatePointRequest, _: Context
    ) -> point_pb2.Point:
        """Create a point."""
        return await create_point(self.needs, request)

    async def UpdatePoint(
        self, request: point_pb2.UpdatePointRequest, _: Context
    ) -> point_pb2.Point:
        """Change fields of a point."""
        return await update_point(self.needs, request)

    async def DeletePoint(self, request: point_pb2.DeletePointRequest, _: Context) -> Empty:
        """Delete a point."""
        return await delete_point(self.needs, request)

    async def ActivatePoint(
        self, request: point_pb2.ActivatePointRequest, _: Context
    ) -> point_pb2.Point:
        """Put a planned point into service."""
        return await change_point_state(self.needs, request, "activate")

    async def SuspendPoint(
        self, request: point_pb2.SuspendPointRequest, _: Context
    ) -> point_pb2.Point:
        """Take an active point out of service for a while."""
        return await change_point_state(self.needs, request, "suspend")

    async def ResumePoint(
        self, request: point_pb2.ResumePointRequest, _: Context
    ) -> point_pb2.Point:
        """Put a suspended point back into service."""
        return await change_point_state(self.needs, request, "resume")

    async def RetirePoint(
        self, request: point_pb2.RetirePointRequest, _: Context
    ) -> point_pb2.Point:
        """Take a point out of service for ever."""
        return await change_point_state(self.needs, request, "retire")

    async def ImportPoints(
        self, request: point_transfer_pb2.ImportPointsRequest, _: Context
    ) -> point_transfer_pb2.ImportReport:
        """Import points from a file."""
        return await import_points(self.needs, request)

    async def ExportPoints(
        self, request: point_transfer_pb2.ExportPointsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Export points as a file."""
        form = form_of(request.format)
        await context.send_initial_metadata([disposition(file_name(request, form))])
        async for part in export_points(self.needs, request, form):
            yield HttpBody(content_type=form.media_type, data=part)

    async def FindDuplicatePoints(
        self, request: point_transfer_pb2.FindDuplicatePointsRequest, _: Context
    ) -> point_transfer_pb2.FindDuplicatePointsResponse:
        """Find points that may have been entered twice."""
        return await find_duplicate_points(self.needs, request)
