"""What anybody may know of points: what they are called, their state and since when.

Every point that is ACTIVE is public: all are places of the public's, paid by the public. Nothing of
what the inventory tells of one but its display name leaves here, in the page token neither: points
of one name are told apart by a running number.
"""

from dataclasses import dataclass
from datetime import datetime

from common.postgres.database import Connection
from common.postgres.values import timestamp
from smartcity.monitoring.v1.status_pb2 import PublicStatus

from monitoring.storage.statuses import NUMBERS, OF_POINTS, STATE

READ = f"""
SELECT display_name, row_number() OVER (PARTITION BY display_name ORDER BY point_id) AS place,
       {STATE} AS state, coalesce(cover.start_time, since) AS since, last_time
{OF_POINTS}
 WHERE region_code = $2 AND points.state = 'ACTIVE'
"""


@dataclass(frozen=True, slots=True)
class PublicPoint:
    """A point without anything that tells which one it is, but its name."""

    display_name: str
    place: int
    """Which of the points of this name it is, from 1."""
    state: str
    since: datetime | None
    last_time: datetime | None

    @property
    def key(self) -> tuple[str, int]:
        """What the list is ordered by."""
        return self.display_name, self.place

    @property
    def message(self) -> PublicStatus:
        """The point as it is published."""
        return PublicStatus(
            display_name=self.display_name,
            state=NUMBERS[self.state],
            since=timestamp(self.since),
        )


async def read(connection: Connection, region: str, at: datetime) -> list[PublicPoint]:
    """Return a region's points in service by name; `at` is the present."""
    rows = await connection.fetch(READ, at, region)
    return sorted((PublicPoint(*row) for row in rows), key=lambda one: one.key)
