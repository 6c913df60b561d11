"""An incident tells how many people it hits."""

from monitoring.operations.run_incidents import follow_all
from monitoring.testing import Monitoring
from monitoring.testing_incidents import inventory_tells, listed, see
from smartcity.inventory.v1.events_pb2 import PointUpdated
from smartcity.monitoring.v1 import incident_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident


async def test_people_served_are_told_of_an_incident_as_soon_as_somebody_says(
    monitoring: Monitoring,
) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    figures = (incident.people_affected, incident.people_down, incident.people_unknown_count)
    assert (figures, incident.priority) == ((0, 0, 1), Incident.MEDIUM)
    await inventory_tells(monitoring, PointUpdated, 1, 2, people_served=650)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    figures = (incident.people_affected, incident.people_down, incident.people_unknown_count)
    assert (figures, incident.priority) == ((650, 650, 0), Incident.CRITICAL)
    request = incident_pb2.ResolveIncidentRequest(name=incident.name, text="false alarm")
    over = await monitoring.stub.ResolveIncident(request)
    assert (over.people_affected, over.people_down) == (650, 0)
