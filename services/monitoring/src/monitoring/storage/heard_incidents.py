"""Incidents as their events told them, kept for as long as something may be told of them."""

from collections.abc import Collection
from datetime import UTC, datetime

from common.names import ids, last_id
from common.postgres.database import Connection
from smartcity.monitoring.v1.incident_pb2 import Incident

from monitoring.domain.notification import PRIORITIES, Outage

STORE = """
INSERT INTO heard_incidents AS heard (region_code, incident_id, sequence, incident, hear_time)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (region_code, incident_id) DO UPDATE
   SET sequence = $3, incident = $4, hear_time = $5
 WHERE heard.sequence < $3
"""

READ = """
SELECT incident_id, incident
  FROM heard_incidents
 WHERE region_code = $1 AND incident_id = ANY ($2)
"""


async def store(connection: Connection, incident: Incident, sequence: int, now: datetime) -> bool:
    """Keep the incident as an event told it; tell whether no later event had told more."""
    row = *ids(incident.name), sequence, incident.SerializeToString(), now
    return str(await connection.execute(STORE, *row)).endswith(" 1")


async def read(
    connection: Connection, region: str, incident_ids: Collection[str]
) -> dict[str, Outage]:
    """Return what is known of incidents, by their id."""
    rows = await connection.fetch(READ, region, list(incident_ids))
    return {row["incident_id"]: outage_of(Incident.FromString(row["incident"])) for row in rows}


def outage_of(incident: Incident) -> Outage:
    """Return what the rules look at."""
    priority = Incident.Priority.Name(incident.priority)
    return Outage(
        incident_id=last_id(incident.name),
        scope=Incident.Scope.Name(incident.scope),
        title=incident.title,
        state=Incident.State.Name(incident.state),
        priority=priority if priority in PRIORITIES else PRIORITIES[-1],
        start=incident.start_time.ToDatetime(UTC),
        end=incident.end_time.ToDatetime(UTC) if incident.HasField("end_time") else None,
        district_code=last_id(incident.district),
        provider_id=last_id(incident.provider),
        parent_id=last_id(incident.parent_incident),
        point_count=incident.point_count,
        reopen_count=incident.reopen_count,
    )
