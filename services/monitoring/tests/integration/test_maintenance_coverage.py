"""Which points a maintenance window covers."""

from datetime import UTC

from monitoring.operations.turn_maintenance import turn_windows
from monitoring.storage import places
from monitoring.testing import NOON, POINTS, REGION, Monitoring
from monitoring.testing_maintenance import (
    MINUTE,
    approved,
    clock_at,
    queued,
    state_of,
    stored,
    told,
    window,
)


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
