"""Incidents as tests make and read them."""

from collections import Counter
from datetime import timedelta
from typing import Any

from common.events.event import event_of
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.events_pb2 import CircuitChanged
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1 import incident_pb2
from smartcity.monitoring.v1.check_pb2 import Check
from smartcity.monitoring.v1.incident_pb2 import Incident

from monitoring.events.circuits import follow_circuits
from monitoring.events.points import keep_point
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


async def inventory_tells(
    monitoring: Monitoring, kind: type[Any], number: int, sequence: int, **changes: Any
) -> None:
    """Handle an event about a point, an ACTIVE OPD of district 64.01.02 but for the changes."""
    given: dict[str, Any] = {
        "name": f"{REGION}/points/P-{number}",
        "display_name": f"Titik {number}",
        "kind": Point.OPD,
        "district": f"{REGION}/districts/64.01.02",
        "state": Point.ACTIVE,
    }
    point = Point(**given | changes)
    event = event_of(kind(point=point), point.name).numbered(sequence)
    async with monitoring.database.transaction() as connection:
        await keep_point(connection, event)


async def lay(monitoring: Monitoring, number: int, sequence: int = 1, **fields: Any) -> None:
    """Handle an event about a point's main circuit, which is telkom's but for the fields."""
    name = f"{REGION}/points/P-{number}/circuits/main"
    given: dict[str, Any] = {"name": name, "provider": f"{REGION}/providers/telkom"}
    change = CircuitChanged(circuit=Circuit(**given | fields))
    follow = follow_circuits(Check(), monitoring.clock)
    async with monitoring.database.transaction() as connection:
        await follow(connection, event_of(change, name).numbered(sequence))


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
