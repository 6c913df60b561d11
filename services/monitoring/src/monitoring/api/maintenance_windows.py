"""The methods for maintenance windows."""

from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from smartcity.monitoring.v1 import maintenance_window_pb2
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

from monitoring.operations.decide_maintenance import decide_maintenance
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.request_maintenance import change_request, request_maintenance
from monitoring.storage import maintenance_windows as windows
from monitoring.storage.statuses import parse_time


class MaintenanceWindowMethods:
    """Answers about maintenance windows."""

    needs: Dependencies

    async def GetMaintenanceWindow(
        self, request: maintenance_window_pb2.GetMaintenanceWindowRequest, _: Context
    ) -> MaintenanceWindow:
        """Return a maintenance window."""
        async with self.needs.database.read() as connection:
            window = await windows.read(connection, request.name)
        if window is None:
            raise ResourceMissing(request.name)
        return window

    async def ListMaintenanceWindows(
        self, request: maintenance_window_pb2.ListMaintenanceWindowsRequest, _: Context
    ) -> maintenance_window_pb2.ListMaintenanceWindowsResponse:
        """List maintenance windows."""
        page = Page(request, key=(parse_time, str))
        async with self.needs.database.read() as connection:
            listed = await windows.list_page(connection, request, page)
        return maintenance_window_pb2.ListMaintenanceWindowsResponse(
            maintenance_windows=listed.items,
            next_page_token=_after(page, listed.items[-1]) if listed.more else "",
            total_size=listed.total,
        )

    async def CreateMaintenanceWindow(
        self, request: maintenance_window_pb2.CreateMaintenanceWindowRequest, _: Context
    ) -> MaintenanceWindow:
        """Request a maintenance window."""
        return await request_maintenance(self.needs, request)

    async def UpdateMaintenanceWindow(
        self, request: maintenance_window_pb2.UpdateMaintenanceWindowRequest, _: Context
    ) -> MaintenanceWindow:
        """Change a request."""
        return await change_request(self.needs, request)

    async def ApproveMaintenanceWindow(
        self, request: maintenance_window_pb2.ApproveMaintenanceWindowRequest, _: Context
    ) -> MaintenanceWindow:
        """Approve a maintenance window."""
        return await decide_maintenance(self.needs, request)

    async def RejectMaintenanceWindow(
        self, request: maintenance_window_pb2.RejectMaintenanceWindowRequest, _: Context
    ) -> MaintenanceWindow:
        """Reject a maintenance window."""
        return await decide_maintenance(self.needs, request)

    async def CancelMaintenanceWindow(
        self, request: maintenance_window_pb2.CancelMaintenanceWindowRequest, _: Context
    ) -> MaintenanceWindow:
        """Cancel a maintenance window."""
        return await decide_maintenance(self.needs, request)


def _after(page: Page, last: MaintenanceWindow) -> str:
    return page.token(last.start_time.ToJsonString(), last_id(last.name))
