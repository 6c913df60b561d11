"""The methods for statuses and for how they were."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from common.errors import ResourceMissing
from common.names import last_id
from common.postgres.pages import Page
from common.rpc.interceptor import Context
from smartcity.monitoring.v1 import status_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.list_public_statuses import list_public_statuses
from monitoring.operations.watch_statuses import watch_statuses
from monitoring.storage import statuses

STATUS = "/status"
WHOLE_REGION = 10_000
"""A page may have so many, for a map shows all points of a region at once."""
SHARED = ("cache-control", "public, max-age=15")
"""An answer that is the same for everybody and may be a quarter of a minute old."""


class StatusMethods:
    """Answers about statuses."""

    needs: Dependencies

    async def GetStatus(
        self, request: status_pb2.GetStatusRequest, _: Context
    ) -> status_pb2.Status:
        """Return the status of a point."""
        async with self.needs.database.read() as connection:
            status = await statuses.read(connection, request.name, self.needs.clock())
        if status is None:
            raise ResourceMissing(request.name)
        return status

    async def ListStatuses(
        self, request: status_pb2.ListStatusesRequest, _: Context
    ) -> status_pb2.ListStatusesResponse:
        """List the statuses of a region."""
        page = Page(request, most=WHOLE_REGION)
        async with self.needs.database.read() as connection:
            listed, counts = await statuses.list_page(connection, request, page, self.needs.clock())
        return status_pb2.ListStatusesResponse(
            statuses=listed.items,
            next_page_token=page.token(last_id(listed.items[-1].point)) if listed.more else "",
            total_size=listed.total,
            counts=counts.states,
            kind_counts=counts.kinds,
            district_counts=counts.areas["districts"],
            provider_counts=counts.areas["providers"],
        )

    async def ListPublicStatuses(
        self, request: status_pb2.ListPublicStatusesRequest, context: Context
    ) -> status_pb2.ListPublicStatusesResponse:
        """List what anybody may know."""
        listed = await list_public_statuses(self.needs, request)
        await context.send_initial_metadata([SHARED])
        return listed

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
        now = self.needs.clock()
        async with self.needs.database.snapshot() as connection:
            if await statuses.read(connection, request.parent + STATUS, now) is None:
                raise ResourceMissing(request.parent)
            listed = await statuses.list_intervals(connection, request, page, now)
        return status_pb2.ListStateIntervalsResponse(
            state_intervals=listed.items,
            next_page_token=_after(page, listed.items[-1]) if listed.more else "",
            total_size=listed.total,
        )


def _after(page: Page, last: status_pb2.StateInterval) -> str:
    return page.token(last.start_time.ToJsonString())
