"""Outages of a district or of a provider are one incident."""

from common.events.event import event_of
from common.names import last_id
from google.type.date_pb2 import Date
from monitoring.domain.incident import Scope
from monitoring.domain.notification import Route
from monitoring.domain.wording import Piece, message
from monitoring.events.districts import keep_district
from monitoring.events.providers import keep_provider
from monitoring.operations.run_incidents import follow_all, look_again
from monitoring.storage import heard_incidents, places, providers
from monitoring.testing import REGION, Monitoring
from monitoring.testing_incidents import listed, see
from monitoring.testing_inventory import lay
from smartcity.inventory.v1.events_pb2 import DistrictChanged, ProviderChanged
from smartcity.inventory.v1.provider_pb2 import Provider
from smartcity.inventory.v1.region_pb2 import District
from smartcity.monitoring.v1 import incident_pb2
from smartcity.monitoring.v1.incident_pb2 import Incident


async def test_many_points_of_a_district_become_one_incident_with_parts(
    monitoring: Monitoring,
) -> None:
    numbers = range(0, 18, 3)
    await see(monitoring, "gsss", *numbers)
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (top.scope, top.district) == (Incident.DISTRICT, f"{REGION}/districts/64.01.01")
    assert (top.point_count, top.down_count) == (6, 6)
    parts = await listed(monitoring, parent_incident=top.name)
    assert len(parts) == 6
    assert {part.scope for part in parts} == {Incident.POINT}
    await see(monitoring, "gg", *numbers, begin_s=60)
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (top.state, top.down_count) == (Incident.RESOLVED, 0)
    assert {one.state for one in await listed(monitoring)} == {Incident.RESOLVED}


async def test_an_incident_of_a_district_bears_its_name(monitoring: Monitoring) -> None:
    district = District(name=f"{REGION}/districts/64.01.02", display_name="Tanjung Harapan")
    event = event_of(DistrictChanged(district=district), district.name)
    async with monitoring.database.transaction() as connection:
        await keep_district(connection, event.numbered(2))
        district.display_name = "an older name, told late"
        late = event_of(DistrictChanged(district=district), district.name)
        await keep_district(connection, late.numbered(1))
    await see(monitoring, "gsss", 1, 4, 7, 10, 13)
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (top.scope, top.title) == (Incident.DISTRICT, "Tanjung Harapan")


async def test_an_area_is_over_when_people_have_ended_all_its_parts(
    monitoring: Monitoring,
) -> None:
    await see(monitoring, "gsss", *range(0, 18, 3))
    await follow_all(monitoring.needs)
    (area,) = await listed(monitoring, top_level=True)
    for part in await listed(monitoring, parent_incident=area.name):
        resolve = incident_pb2.ResolveIncidentRequest(name=part.name, text="latihan")
        ended = await monitoring.stub.ResolveIncident(resolve)
        assert (ended.state, ended.down_count) == (Incident.RESOLVED, 0)
        await follow_all(monitoring.needs)
    (area,) = await listed(monitoring, top_level=True)
    assert (area.state, area.down_count) == (Incident.RESOLVED, 0)
    await look_again(monitoring.needs)
    assert await follow_all(monitoring.needs) == 0


async def test_a_provider_that_fails_everywhere_is_one_incident(monitoring: Monitoring) -> None:
    for number in range(20):
        await lay(monitoring, number)
    await see(monitoring, "gsss", *range(20))
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (top.scope, top.provider) == (Incident.PROVIDER, f"{REGION}/providers/telkom")
    assert (top.down_count, top.title) == (20, "telkom")


async def hear_of_telkom(
    monitoring: Monitoring, sequence: int, called: str, *, deleted: bool = False
) -> None:
    provider = Provider(name=f"{REGION}/providers/telkom", display_name=called)
    event = event_of(ProviderChanged(provider=provider, deleted=deleted), provider.name)
    async with monitoring.database.transaction() as connection:
        await keep_provider(connection, event.numbered(sequence))


async def test_an_incident_of_a_provider_bears_its_name_wherever_people_read_it(
    monitoring: Monitoring,
) -> None:
    await hear_of_telkom(monitoring, 2, "Telkom Indonesia")
    await hear_of_telkom(monitoring, 1, "an older name, told late")
    await hear_of_telkom(monitoring, 1, "an older name, told late", deleted=True)
    for number in range(10):
        await lay(monitoring, number)
    await see(monitoring, "gsss", *range(10))
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (top.scope, top.title) == (Incident.PROVIDER, "Telkom Indonesia")
    route = Route(region="64.01", route_id="desk")
    told = message([Piece("OPENED", heard_incidents.outage_of(top))], route)
    assert "Penyedia Telkom Indonesia" in told.title
    (part, *_) = await listed(monitoring, parent_incident=top.name)
    request = incident_pb2.ListIncidentEntriesRequest(parent=part.name)
    *_, joined = (await monitoring.stub.ListIncidentEntries(request)).incident_entries
    assert joined.text == f"a part of {last_id(top.name)}, provider Telkom Indonesia"


async def test_of_a_provider_that_was_deleted_the_name_is_forgotten(
    monitoring: Monitoring,
) -> None:
    await hear_of_telkom(monitoring, 1, "Telkom Indonesia")
    await hear_of_telkom(monitoring, 2, "Telkom Indonesia", deleted=True)
    async with monitoring.database.read() as connection:
        assert await providers.names(connection, "64.01") == {}


async def test_a_line_that_has_ended_puts_no_blame_on_its_provider_nor_on_the_point_it_came_from(
    monitoring: Monitoring,
) -> None:
    mast, ended = f"{REGION}/points/P-19", Date(year=2026, month=11, day=24)
    for number in range(10):
        await lay(monitoring, number, end_date=ended, upstream_point=mast)
    await see(monitoring, "gsss", 19, *range(10))
    await follow_all(monitoring.needs)
    async with monitoring.database.read() as connection:
        assert {area.scope for area in await places.count(connection, "64.01")} == {Scope.DISTRICT}
    found = await listed(monitoring)
    assert {(one.scope, one.parent_incident) for one in found} == {(Incident.POINT, "")}
    for number in range(10):
        await lay(monitoring, number, 2)
    await look_again(monitoring.needs)
    await follow_all(monitoring.needs)
    (provider,) = [i for i in await listed(monitoring) if i.scope == Incident.PROVIDER]
    assert provider.down_count == 10


ADD_MANY = """
WITH added AS (
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'P-' || n, 'Titik ' || n, 'OPD', '64.01.' || lpad((1 + n % 10)::text, 2, '0'),
       'FO', 'ACTIVE', 1
  FROM generate_series(100, 10099) AS n
RETURNING region_code, point_id
)
INSERT INTO circuits (region_code, point_id, circuit_id, provider_id, sequence)
SELECT region_code, point_id, 'main', 'telkom', 1
  FROM added
"""


async def test_ten_thousand_points_that_go_down_in_a_second_are_one_incident(
    monitoring: Monitoring,
) -> None:
    async with monitoring.database.transaction() as connection:
        await connection.execute(ADD_MANY)
    await see(monitoring, "gsss", *range(100, 10100))
    while await follow_all(monitoring.needs):
        pass
    (top,) = await listed(monitoring, top_level=True)
    assert (top.scope, top.point_count, top.down_count) == (Incident.PROVIDER, 10000, 10000)
    assert top.priority == Incident.CRITICAL
    await see(monitoring, "gg", *range(100, 10100), begin_s=60)
    while await follow_all(monitoring.needs):
        pass
    (top,) = await listed(monitoring, top_level=True)
    assert (top.state, top.down_count) == (Incident.RESOLVED, 0)
    states = {one.state for one in await listed(monitoring)}
    assert states == {Incident.RESOLVED}
