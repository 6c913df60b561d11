"""Planning what to tell of an incident, in the transaction that notes its event.

Whether it is told is decided when it is due: by then the incident may be over, a part of another
one, or acknowledged.
"""

from common.names import last_id, region_of
from common.postgres.database import Connection
from smartcity.monitoring.v1.incident_pb2 import Incident

from monitoring.domain.notification import Outage
from monitoring.operations.dependencies import Dependencies
from monitoring.storage import deliveries, heard_incidents, notification_routes
from monitoring.storage.deliveries import Planned


async def plan_deliveries(
    needs: Dependencies, connection: Connection, incident: Incident, sequence: int
) -> None:
    """Keep what an event told of an incident, and plan what follows from it.

    An event that comes late, by a replay, changes nothing.
    """
    now, region = needs.clock(), region_of(incident.name)
    if not await heard_incidents.store(connection, incident, sequence, now):
        return
    outage = heard_incidents.outage_of(incident)
    if outage.parent_id:
        return
    if outage.state == "RESOLVED":
        incident_id, round_ = last_id(incident.name), outage.reopen_count
        await deliveries.plan_ends(connection, region, incident_id, round_, now)
    else:
        await _plan_begins(needs, connection, region, outage)


async def _plan_begins(
    needs: Dependencies, connection: Connection, region: str, outage: Outage
) -> None:
    now = needs.clock()
    routes = await notification_routes.rules_of(connection, region)
    planned = [
        Planned(
            route.route_id,
            outage.incident_id,
            "OPENED",
            outage.reopen_count,
            now + route.group_wait,
        )
        for route in routes
        if route.matches(outage)
    ]
    await deliveries.plan(connection, region, planned, now)
