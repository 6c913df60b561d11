"""From measurements to incidents: opened, corrected, resolved; none lost, none twice."""

import asyncio
from collections.abc import Sequence

import asyncpg
from common.caller import CALLER, SYSTEM, Caller
from devstack.waiting import until
from monitoring.operations.follow_outages import follow_outages
from monitoring.operations.run_incidents import follow_all
from monitoring.testing import NOON, REGION, Monitoring
from monitoring.testing_incidents import listed, see, timeline, told
from monitoring.testing_inventory import inventory_tells
from smartcity.inventory.v1.events_pb2 import PointSuspended
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1.incident_pb2 import Incident

WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'incident_entries'::regclass"
)


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


async def test_a_suspended_point_ends_its_incident(monitoring: Monitoring) -> None:
    await see(monitoring, "gsss", 1)
    await follow_all(monitoring.needs)
    await inventory_tells(monitoring, PointSuspended, 1, 2, state=Point.SUSPENDED)
    await follow_all(monitoring.needs)
    (incident,) = await listed(monitoring)
    assert incident.state == Incident.RESOLVED


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
