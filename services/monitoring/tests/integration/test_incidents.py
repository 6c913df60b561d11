"""From measurements to incidents: opened, joined, answered by people, resolved; none lost."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import grpc
import pytest
from common.caller import CALLER, SYSTEM, Caller
from common.events.event import event_of
from common.postgres.history import verify
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from monitoring.events.circuits import follow_circuits
from monitoring.events.districts import keep_district
from monitoring.events.points import keep_point
from monitoring.operations.follow_outages import follow_outages
from monitoring.operations.run_incidents import follow_all, look_again
from monitoring.testing import NOON, REGION, Monitoring, measured, write_measurements
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.events_pb2 import (
    CircuitChanged,
    DistrictChanged,
    PointSuspended,
    PointUpdated,
)
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.inventory.v1.region_pb2 import District
from smartcity.monitoring.v1 import change_pb2, incident_pb2
from smartcity.monitoring.v1.check_pb2 import Check
from smartcity.monitoring.v1.incident_pb2 import Incident

EVENTS = """
SELECT split_part(subject, '.', 5) AS verb, resource
  FROM outbox
 WHERE subject LIKE '%.incident.%'
 ORDER BY outbox_id
"""

WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'incident_entries'::regclass"
)


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
    request = incident_pb2.ListIncidentsRequest(parent=REGION, page_size=1000, **filters)  # type: ignore[arg-type]
    return list((await monitoring.stub.ListIncidents(request)).incidents)


async def timeline(monitoring: Monitoring, incident: Incident) -> list[tuple[str, str]]:
    request = incident_pb2.ListIncidentEntriesRequest(parent=incident.name)
    entries = (await monitoring.stub.ListIncidentEntries(request)).incident_entries
    return [(entry.actor, entry.action) for entry in entries]


async def told(monitoring: Monitoring) -> Counter[str]:
    async with monitoring.database.read() as connection:
        return Counter(row["verb"] for row in await connection.fetch(EVENTS))


async def test_an_outage_opens_an_incident_and_an_answer_resolves_it(
    monitoring: Monitoring,
) -> None:
    await see(monitoring, "gsss", 1)
    assert await follow_all(monitoring.needs) == 1
    (incident,) = await listed(monitoring)
    assert incident.name == f"{REGION}/incidents/2026-0001"
    assert (incident.title, incident.point) == ("Titik 1", f"{REGION}/points/P-1")
    assert (incident.state, incident.scope) == (Incident.OPEN, Incident.POINT)
    assert incident.priority == Incident.MEDIUM
    assert incident.start_time.ToSeconds() == int(NOON.timestamp()) + 10
    await see(monitoring, "gg", 1, begin_s=60)
    await follow_all(monitoring.needs)
    (over,) = await listed(monitoring)
    assert (over.state, over.end_time.ToSeconds()) == (
        Incident.RESOLVED,
        int(NOON.timestamp()) + 60,
    )
    assert await timeline(monitoring, over) == [("engine", "OPENED"), ("engine", "RESOLVED")]
    assert await told(monitoring) == {"opened": 1, "resolved": 1}


async def test_the_engine_is_woken_by_the_writers(monitoring: Monitoring) -> None:
    monitoring.follow()
    await see(monitoring, "gsss", 1)

    async def opened() -> bool:
        return len(await listed(monitoring)) == 1

    assert await until(opened, within_s=20)


async def test_late_measurements_correct_an_incident(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1, begin_s=100)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    assert incident.start_time.ToSeconds() == int(NOON.timestamp()) + 110
    await see(monitoring, "s", 1, begin_s=105)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    assert incident.start_time.ToSeconds() == int(NOON.timestamp()) + 105
    assert (await timeline(monitoring, incident))[-1] == ("engine", "CORRECTED")
    assert (await told(monitoring))["opened"] == 1


async def test_an_outage_that_is_learnt_of_when_it_is_over_is_an_incident_that_is_over(
    monitoring: Monitoring,
) -> None:
    await see(monitoring, "gssssgg", 1, begin_s=-3000)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    assert incident.state == Incident.RESOLVED
    assert await told(monitoring) == {"opened": 1, "resolved": 1}


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
    follow = follow_circuits(Check(), monitoring.clock)
    for number in range(20):
        name = f"{REGION}/points/P-{number}/circuits/main"
        circuit = Circuit(name=name, provider=f"{REGION}/providers/telkom")
        event = event_of(CircuitChanged(circuit=circuit), name).numbered(1)
        async with monitoring.database.transaction() as connection:
            await follow(connection, event)
    await see(monitoring, "gsss", *range(20))
    await follow_all(monitoring.needs)
    (top,) = await listed(monitoring, top_level=True)
    assert (top.scope, top.provider) == (Incident.PROVIDER, f"{REGION}/providers/telkom")
    assert top.down_count == 20


async def test_a_suspended_point_ends_its_incident(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    point = Point(
        name=f"{REGION}/points/P-1",
        display_name="Titik 1",
        kind=Point.OPD,
        district=f"{REGION}/districts/64.01.02",
        state=Point.SUSPENDED,
    )
    event = event_of(PointSuspended(point=point), point.name).numbered(2)
    async with monitoring.database.transaction() as connection:
        await keep_point(connection, event)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    assert incident.state == Incident.RESOLVED


async def test_people_served_are_told_of_an_incident_as_soon_as_somebody_says(
    monitoring: Monitoring,
) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    figures = (incident.people_affected, incident.people_down, incident.people_unknown_count)
    assert (figures, incident.priority) == ((0, 0, 1), Incident.MEDIUM)
    point = Point(
        name=f"{REGION}/points/P-1",
        display_name="Titik 1",
        kind=Point.OPD,
        district=f"{REGION}/districts/64.01.02",
        state=Point.ACTIVE,
        people_served=650,
    )
    event = event_of(PointUpdated(point=point), point.name).numbered(2)
    async with monitoring.database.transaction() as connection:
        await keep_point(connection, event)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    figures = (incident.people_affected, incident.people_down, incident.people_unknown_count)
    assert (figures, incident.priority) == ((650, 650, 0), Incident.CRITICAL)
    request = incident_pb2.ResolveIncidentRequest(name=incident.name, text="false alarm")
    over = await monitoring.stub.ResolveIncident(request)
    assert (over.people_affected, over.people_down) == (650, 0)


async def test_people_acknowledge_comment_classify_and_resolve(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    (opened,) = await listed(monitoring)
    stub, name = monitoring.stub, opened.name
    acknowledge = incident_pb2.AcknowledgeIncidentRequest(
        name=name, etag=opened.etag, assignee="budi", request_id="once"
    )
    acknowledged = await stub.AcknowledgeIncident(acknowledge)
    assert (acknowledged.state, acknowledged.assignee) == (Incident.ACKNOWLEDGED, "budi")
    assert await stub.AcknowledgeIncident(acknowledge) == acknowledged
    other = incident_pb2.AcknowledgeIncidentRequest(name=name, assignee="sari")
    assert (await stub.AcknowledgeIncident(other)).assignee == "sari"
    comment = incident_pb2.CommentIncidentRequest(name=name, text="PLN padam")
    assert (await stub.CommentIncident(comment)).text == "PLN padam"
    classified = await stub.ClassifyIncident(
        incident_pb2.ClassifyIncidentRequest(
            name=name, cause=Incident.POWER, liability=Incident.NEITHER, text="padam"
        )
    )
    assert (classified.cause, classified.liability) == (Incident.POWER, Incident.NEITHER)
    resolve = incident_pb2.ResolveIncidentRequest(name=name, text="sudah dicek")
    assert (await stub.ResolveIncident(resolve)).state == Incident.RESOLVED
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.ResolveIncident(resolve)
    assert refusal_of(error.value).reason == "INCIDENT_RESOLVED"
    actions = [action for _, action in await timeline(monitoring, opened)]
    assert actions == [
        "OPENED",
        "ACKNOWLEDGED",
        "ASSIGNED",
        "COMMENTED",
        "CLASSIFIED",
        "RESOLVED",
    ]
    await look_again(monitoring.needs)
    await follow_all(monitoring.needs)
    assert len(await listed(monitoring)) == 1
    history = await stub.ListChanges(change_pb2.ListChangesRequest(name=name))
    assert [change.action for change in history.changes] == [
        "resolve",
        "classify",
        "acknowledge",
        "acknowledge",
    ]
    async with monitoring.database.read() as connection:
        assert (await verify(connection))[0]


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetIncident", incident_pb2.GetIncidentRequest(name=f"{REGION}/incidents/2026-9999")),
        (
            "AcknowledgeIncident",
            incident_pb2.AcknowledgeIncidentRequest(name=f"{REGION}/incidents/2026-9999"),
        ),
        (
            "CommentIncident",
            incident_pb2.CommentIncidentRequest(name=f"{REGION}/incidents/2026-9999", text="?"),
        ),
        (
            "ListIncidentEntries",
            incident_pb2.ListIncidentEntriesRequest(parent=f"{REGION}/incidents/2026-9999"),
        ),
    ],
)
async def test_an_unknown_incident_is_told_by_name(
    monitoring: Monitoring, method: str, request_: object
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await getattr(monitoring.stub, method)(request_)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    assert "2026-9999" in (error.value.details() or "")


async def test_a_stale_etag_changes_nothing(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    request = incident_pb2.AcknowledgeIncidentRequest(name=incident.name, etag='"0-0"')
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await monitoring.stub.AcknowledgeIncident(request)
    assert error.value.code() == grpc.StatusCode.ABORTED
    assert await listed(monitoring) == [incident]


async def test_lists_are_paged_and_filtered(monitoring: Monitoring) -> None:
    for number in range(5):
        await see(monitoring, "gsss", number, begin_s=400 * number)
    await follow_all(monitoring.needs)
    request = incident_pb2.ListIncidentsRequest(parent=REGION, page_size=2)
    seen: list[str] = []
    while True:
        answer = await monitoring.stub.ListIncidents(request)
        seen += [one.point.rpartition("/")[2] for one in answer.incidents]
        assert answer.total_size == 5
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    assert seen == ["P-4", "P-3", "P-2", "P-1", "P-0"]
    only = await listed(monitoring, point=f"{REGION}/points/P-3", state=[Incident.OPEN])
    assert [one.title for one in only] == ["Titik 3"]
    assert await listed(monitoring, priority=[Incident.CRITICAL]) == []


async def test_two_engines_and_one_that_dies_open_no_incident_twice(
    monitoring: Monitoring,
) -> None:
    await see(monitoring, "gsss", *range(20))
    owner = await asyncpg.connect(monitoring.made.owner_url)
    async with owner.transaction():
        # The engine stores incidents, then waits here for their timelines.
        await owner.execute("LOCK TABLE incident_entries IN SHARE MODE")
        dying = asyncio.create_task(follow_outages(monitoring.needs, "64.01"))

        async def waits() -> bool:
            return bool(await owner.fetchval(WAITING))

        assert await until(waits, within_s=20)
        dying.cancel()
        await asyncio.wait([dying])
    await owner.close()
    assert await listed(monitoring) == []
    looks = await asyncio.gather(*(follow_outages(monitoring.needs, "64.01", 4) for _ in range(8)))
    assert sum(looks) == 20
    open_points = [one.point for one in await listed(monitoring) if one.scope == Incident.POINT]
    assert sorted(open_points) == sorted(f"{REGION}/points/P-{n}" for n in range(20))
    counted = await told(monitoring)
    assert counted["opened"] == len(await listed(monitoring))


async def test_a_writer_of_another_region_sees_no_incident(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    CALLER.set(Caller("sari", "64.09"))
    async with monitoring.database.read() as connection:
        found = await connection.fetchval("SELECT count(*) FROM incidents")
        lines: Sequence[object] = await connection.fetch("SELECT 1 FROM incident_entries")
    CALLER.set(SYSTEM)
    assert (found, lines) == (0, [])


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
