"""The servicer of `MonitoringService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc
from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from common.rpc.server import Published
from smartcity.monitoring.v1 import (
    measurement_pb2,
    monitoring_service_pb2,
    monitoring_service_pb2_grpc,
    status_pb2,
)

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.report_measurements import report_measurements
from monitoring.operations.watch_statuses import watch_statuses
from monitoring.storage import statuses

SERVICE = monitoring_service_pb2.DESCRIPTOR.services_by_name["MonitoringService"].full_name
STATUS = "/status"


class MonitoringServicer(monitoring_service_pb2_grpc.MonitoringServiceServicer):
    """Answers every call of monitoring."""

    def __init__(self, needs: Dependencies) -> None:
        self.needs = needs

    async def ReportMeasurements(
        self, request: measurement_pb2.ReportMeasurementsRequest, _: Context
    ) -> measurement_pb2.ReportMeasurementsResponse:
        """Take measurements."""
        return await report_measurements(self.needs, request)

    async def GetStatus(
        self, request: status_pb2.GetStatusRequest, _: Context
    ) -> status_pb2.Status:
        """Return the status of a point."""
        async with self.needs.database.read() as connection:
            status = await statuses.read(connection, request.name)
        if status is None:
            raise ResourceMissing(request.name)
        return status

    async def ListStatuses(
        self, request: status_pb2.ListStatusesRequest, _: Context
    ) -> status_pb2.ListStatusesResponse:
        """List the statuses of a region."""
        page = Page(request)
        async with self.needs.database.read() as connection:
            listed, counts = await statuses.list_page(connection, request, page)
        return status_pb2.ListStatusesResponse(
            statuses=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].point)) if listed.more else "",
            total_size=listed.total,
            counts=counts,
        )

    async def WatchStatuses(
        self, request: status_pb2.WatchStatusesRequest, _: Context
    ) -> AsyncIterator[status_pb2.WatchStatusesResponse]:
        """Tell the statuses of a region, then every change."""
        async with aclosing(watch_statuses(self.needs, request)) as told:
            async for part in told:
                yield part

    async def ListStateIntervals(
        self, request: status_pb2.ListStateIntervalsRequest, _: Context
    ) -> status_pb2.ListStateIntervalsResponse:
        """List how a point's state was."""
        page = Page(request, key=(statuses.parse_time,))
        async with self.needs.database.read() as connection:
            if await statuses.read(connection, request.parent + STATUS) is None:
                raise ResourceMissing(request.parent)
            listed = await statuses.list_intervals(connection, request, page)
        return status_pb2.ListStateIntervalsResponse(
            state_intervals=listed.items,
            next_page_token=_after(page, listed.items[-1]) if listed.more else "",
            total_size=listed.total,
        )


def published(needs: Dependencies) -> Published:
    """Return the service as the server takes it."""
    servicer = MonitoringServicer(needs)

    def add(server: grpc.aio.Server) -> None:
        monitoring_service_pb2_grpc.add_MonitoringServiceServicer_to_server(servicer, server)

    return Published(
        SERVICE,
        add,
        checked_by_operation=frozenset({"ReportMeasurements"}),
        endless=frozenset({"WatchStatuses"}),
    )


def _after(page: Page, last: status_pb2.StateInterval) -> str:
    return page.token(last.start_time.ToJsonString())
