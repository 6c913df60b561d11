"""Listing what anybody may know of a region's points."""

from bisect import bisect_right
from collections import Counter

from common.names import last_id
from common.postgres.pages import Page
from common.postgres.values import timestamp
from smartcity.monitoring.v1.status_pb2 import (
    ListPublicStatusesRequest,
    ListPublicStatusesResponse,
)

from monitoring.operations.dependencies import Dependencies


async def list_public_statuses(
    needs: Dependencies, request: ListPublicStatusesRequest
) -> ListPublicStatusesResponse:
    """Return a page of a region's points."""
    page = Page(request, key=(str, int))
    points = await needs.public_lists.points(needs.database, last_id(request.parent), needs.clock())
    name, place = page.after
    begin = 0 if name is None else bisect_right(points, (name, place), key=lambda one: one.key)
    shown = points[begin : begin + page.size]
    more = begin + page.size < len(points)
    token = page.token(shown[-1].display_name, str(shown[-1].place)) if more else ""
    return ListPublicStatusesResponse(
        public_statuses=[one.message for one in shown],
        next_page_token=token,
        total_size=len(points),
        counts=Counter(one.state for one in points),
        last_measurement_time=timestamp(
            max((one.last_time for one in points if one.last_time), default=None)
        ),
    )
