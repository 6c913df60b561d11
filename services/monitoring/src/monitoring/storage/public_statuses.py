"""What anybody may know of points: what they are called, their state and since when.

Every point that is ACTIVE is public: all are places of the public's, paid by the public. Nothing of
what the inventory tells of one but its display name leaves here, in the page token neither: points
of one name are told apart by a running number.
"""

from datetime import datetime

from common.names import last_id
from common.postgres.database import Connection
from common.postgres.pages import Page
from common.postgres.values import timestamp
from smartcity.monitoring.v1.status_pb2 import (
    ListPublicStatusesRequest,
    ListPublicStatusesResponse,
    PublicStatus,
)

from monitoring.storage.statuses import NUMBERS, OF_POINTS, STATE

LIST = f"""
WITH shown AS (
SELECT display_name, row_number() OVER (PARTITION BY display_name ORDER BY point_id) AS place,
       {STATE} AS state, coalesce(cover.start_time, since) AS since
{OF_POINTS}
 WHERE region_code = $2 AND points.state = 'ACTIVE')
SELECT display_name, place, state, since
  FROM shown
 WHERE $3::text IS NULL OR (display_name, place) > ($3, $4::bigint)
 ORDER BY display_name, place
 LIMIT $5
"""

COUNT = f"""
SELECT {STATE} AS state, count(*) AS points, max(last_time) AS last_time
{OF_POINTS}
 WHERE region_code = $2 AND points.state = 'ACTIVE'
 GROUP BY 1
"""


async def list_page(
    connection: Connection, request: ListPublicStatusesRequest, page: Page, at: datetime
) -> ListPublicStatusesResponse:
    """Return a page of a region's points."""
    region = last_id(request.parent)
    rows = await connection.fetch(LIST, at, region, *page.after, page.limit)
    counted = await connection.fetch(COUNT, at, region)
    shown = rows[: page.size]
    last = shown[-1] if len(rows) > page.size else None
    return ListPublicStatusesResponse(
        public_statuses=[
            PublicStatus(
                display_name=row["display_name"],
                state=NUMBERS[row["state"]],
                since=timestamp(row["since"]),
            )
            for row in shown
        ],
        next_page_token=page.token(last["display_name"], str(last["place"])) if last else "",
        total_size=sum(row["points"] for row in counted),
        counts={row["state"]: row["points"] for row in counted},
        last_measurement_time=timestamp(
            max((row["last_time"] for row in counted if row["last_time"]), default=None)
        ),
    )
