"""Which points a maintenance window covers."""

from datetime import UTC

from common.names import last_id
from google.type.date_pb2 import Date
from monitoring.operations.turn_circuits import turn_circuits
from monitoring.operations.turn_maintenance import turn_windows
from monitoring.storage import places
from monitoring.testing import NOON, POINTS, REGION, Monitoring
from monitoring.testing_inventory import lay
from monitoring.testing_maintenance import (
    MINUTE,
    approved,
    clock_at,
    queued,
    request,
    state_of,
    stored,
    told,
    window,
)
from smartcity.monitoring.v1 import maintenance_window_pb2


async def test_a_district_s_points_are_covered_also_one_that_comes_later(
    monitoring: Monitoring,
) -> None:
    await approved(monitoring, window(0, 60, districts=[f"{REGION}/districts/64.01.02"]))
    in_district = {f"P-{number}" for number in range(POINTS) if number % 3 == 1}
    assert await turn_windows(monitoring.needs) == len(in_district)
    assert {point for point, _, _ in await told(monitoring)} == in_district
    async with monitoring.database.transaction() as connection:
        move = "UPDATE points SET district_code = $2 WHERE point_id = $1"
        await connection.execute(move, "P-0", "64.01.02")
        await connection.execute(move, "P-1", "64.01.01")
    clock_at(monitoring, 30)
    await queued(monitoring)
    assert await turn_windows(monitoring.needs) == 1
    assert await queued(monitoring) == ["P-0"]
    status = await monitoring.status(0)
    assert status.since.ToDatetime(UTC) == NOON + 30 * MINUTE
    assert (await state_of(monitoring, 1))[0] == "MAINTENANCE"
    clock_at(monitoring, 60)
    assert await turn_windows(monitoring.needs) == len(in_district) + 1


async def test_a_provider_s_points_are_covered_by_their_lines(monitoring: Monitoring) -> None:
    async with monitoring.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO circuits (region_code, point_id, circuit_id, provider_id, sequence)"
            " VALUES ('64.01', 'P-3', 'main', 'telkom', 1), ('64.01', 'P-3', 'b', 'telkom', 1),"
            " ('64.01', 'P-4', 'main', 'icon', 1)"
        )
    await approved(
        monitoring,
        window(
            0,
            60,
            providers=[f"{REGION}/providers/telkom"],
            points=[f"{REGION}/points/{one}" for one in ("P-3", "P-5")],
        ),
    )
    assert (await stored(monitoring)).point_count == 2
    async with monitoring.database.read() as connection:
        found = await places.read_silences(connection, "64.01", [f"P-{n}" for n in range(9)], NOON)
    assert found == {one: [(NOON, NOON + 60 * MINUTE)] for one in ("P-3", "P-5")}


async def covering(monitoring: Monitoring, point: str) -> list[str]:
    """Return the windows that a list gives for a point."""
    asked = maintenance_window_pb2.ListMaintenanceWindowsRequest(parent=REGION, point=point)
    answer = await monitoring.stub.ListMaintenanceWindows(asked)
    return [last_id(one.name) for one in answer.maintenance_windows]


async def test_a_provider_s_window_covers_the_points_of_its_lines_in_service(
    monitoring: Monitoring,
) -> None:
    today, tomorrow = Date(year=2026, month=11, day=24), Date(year=2026, month=11, day=25)
    await lay(monitoring, 0, end_date=today)
    await lay(monitoring, 1, start_date=today, end_date=tomorrow)
    await lay(monitoring, 2, start_date=tomorrow)
    day, points = 24 * 60, [f"{REGION}/points/P-{number}" for number in range(3)]
    telkom = window(0, 2 * day, providers=[f"{REGION}/providers/telkom"])
    await approved(monitoring, telkom)
    assert (await stored(monitoring)).point_count == 1
    assert await turn_windows(monitoring.needs) == 1
    assert [await covering(monitoring, one) for one in points] == [[], ["w"], []]
    clock_at(monitoring, day)
    assert await turn_circuits(monitoring.needs) == 2
    assert await turn_windows(monitoring.needs) == 1
    assert (await state_of(monitoring, 2))[0] == "MAINTENANCE"
    assert [await covering(monitoring, one) for one in points] == [[], [], ["w"]]
    assert (await state_of(monitoring, 1))[0] == "MAINTENANCE"


async def test_a_provider_s_window_is_taken_for_lines_that_have_yet_to_begin(
    monitoring: Monitoring,
) -> None:
    await lay(monitoring, 0, start_date=Date(year=2026, month=11, day=26))
    day = 24 * 60
    later = window(2 * day, 3 * day, providers=[f"{REGION}/providers/telkom"])
    asked = await request(monitoring, later)
    assert asked.point_count == 0
