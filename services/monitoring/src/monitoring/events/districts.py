"""The inventory's districts: what they are called."""

from common.events.consumer import Interest
from common.events.event import Event, type_of
from common.postgres.database import Connection
from smartcity.inventory.v1.events_pb2 import DistrictChanged

from monitoring.storage import districts

INTEREST = Interest(
    "monitoring-districts", "INVENTORY", ("smartcity.*.inventory.district.>",), newest_only=True
)
CHANGED = type_of(DistrictChanged.DESCRIPTOR)


async def keep_district(connection: Connection, event: Event) -> None:
    """Keep the name of the district that an event carries."""
    if event.type == CHANGED:  # else a kind of event that this release does not know yet
        told = DistrictChanged.FromString(event.body)
        await districts.store(connection, told.district, event.sequence)
