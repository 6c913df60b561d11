"""An incident tells how many people it hits."""

from monitoring.operations.run_incidents import follow_all
from monitoring.testing import REGION, Monitoring
from monitoring.testing_incidents import listed, see
from monitoring.testing_inventory import inventory_tells, lay
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


def figures(incident: Incident) -> tuple[int, ...]:
    counts = (incident.point_count, incident.down_count)
    people = (incident.people_affected, incident.people_down, incident.people_unknown_count)
    return (*counts, *people)


async def test_those_behind_a_point_count_in_its_incident_and_once_in_that_of_its_district(
    monitoring: Monitoring,
) -> None:
    mast, behind, others = 1, (2, 5), (4, 7, 10, 13)
    for number in (mast, *behind, *others):
        await inventory_tells(monitoring, PointUpdated, number, 2, people_served=100)
    for number in behind:
        await lay(monitoring, number, upstream_point=f"{REGION}/points/P-{mast}")
    await see(monitoring, "gsss", mast, *behind)
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (figures(top), top.priority) == ((3, 3, 300, 300, 0), Incident.HIGH)
    await see(monitoring, "gg", behind[0], begin_s=60)
    await follow_all(monitoring.needs)
    await see(monitoring, "gsss", *others)
    await follow_all(monitoring.needs)
    (area,) = await listed(monitoring, top_level=True)
    assert (area.scope, figures(area)) == (Incident.DISTRICT, (7, 6, 700, 600, 0))
    (above,) = await listed(monitoring, point=f"{REGION}/points/P-{mast}")
    assert (figures(above), above.parent_incident) == ((3, 2, 300, 200, 0), area.name)
    request = incident_pb2.ResolveIncidentRequest(name=above.name, text="power is back")
    assert figures(await monitoring.stub.ResolveIncident(request)) == (3, 0, 300, 0, 0)


FORGET_OWN = "UPDATE incidents SET own_people = NULL, own_unknown = NULL, own_score = NULL"


async def test_what_the_release_before_wrote_counts_as_the_point_s_own(
    monitoring: Monitoring,
) -> None:
    numbers = (1, 4, 7, 10, 13)
    for number in numbers:
        await inventory_tells(monitoring, PointUpdated, number, 2, people_served=100)
    await see(monitoring, "gsss", *numbers)
    await follow_all(monitoring.needs)
    async with monitoring.database.transaction() as connection:
        await connection.execute(FORGET_OWN)
    await see(monitoring, "gg", 1, begin_s=60)
    await follow_all(monitoring.needs)
    (area,) = await listed(monitoring, top_level=True)
    assert figures(area) == (5, 4, 500, 400, 0)
