"""Incidents as tests make and read them."""

from collections import Counter
from datetime import timedelta

from smartcity.monitoring.v1 import incident_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident

from monitoring.testing import NOON, REGION, Monitoring, measured, write_measurements

EVENTS = """
SELECT split_part(subject, '.', 5) AS verb, resource
  FROM outbox
 WHERE subject LIKE '%.incident.%'
 ORDER BY outbox_id
"""


async def see(monitoring: Monitoring, letters: str, *numbers: int, begin_s: float = 0) -> None:
    """Write measurements of points, one each ten seconds, and let the clock follow."""
    some = [
        measured(number, begin_s + 10 * place, letter)
        for number in numbers
        for place, letter in enumerate(letters)
    ]
    now = NOON + timedelta(seconds=begin_s + 10 * len(letters))
    monitoring.clock.time = max(monitoring.clock.time, now)
    await write_measurements(monitoring.needs, 0, some)


async def listed(monitoring: Monitoring, **filters: object) -> list[Incident]:
    """Return the incidents that match, the latest first."""
    request = incident_pb2.ListIncidentsRequest(parent=REGION, page_size=1000, **filters)  # type: ignore[arg-type]
    return list((await monitoring.stub.ListIncidents(request)).incidents)


async def timeline(monitoring: Monitoring, incident: Incident) -> list[tuple[str, str]]:
    """Return who did what in an incident, the oldest first."""
    request = incident_pb2.ListIncidentEntriesRequest(parent=incident.name)
    entries = (await monitoring.stub.ListIncidentEntries(request)).incident_entries
    return [(entry.actor, entry.action) for entry in entries]


async def told(monitoring: Monitoring) -> Counter[str]:
    """Return how often each thing was told of incidents."""
    async with monitoring.database.read() as connection:
        return Counter(row["verb"] for row in await connection.fetch(EVENTS))
