"""The writer: what it takes, by which way it stores it, and who may do what to a day's table."""

import asyncio
from datetime import UTC, timedelta

import asyncpg
import pytest
from common.postgres.database import DatabaseBusy
from devstack.waiting import until
from monitoring.domain.columns import REALS
from monitoring.domain.partitions import partition_of
from monitoring.operations.report_measurements import STREAM
from monitoring.operations.run_writer import keep_days
from monitoring.operations.write_measurements import expire_statuses
from monitoring.storage import measurements as rows
from monitoring.testing import (
    NOON,
    POINTS,
    REGION,
    Monitoring,
    columns_of,
    measured,
    write_measurements,
)
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest


async def comes_to(monitoring: Monitoring, count: int) -> bool:
    async def so() -> bool:
        return await monitoring.stored() == count

    return await until(so, within_s=30)


async def marks(monitoring: Monitoring) -> int:
    async with monitoring.database.read() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM roll_up_marks"))


def throughput(after_s: float, mbps: float) -> Measurement:
    """Return a measurement that says nothing about the line's state."""
    one = Measurement(point=f"{REGION}/points/P-0", source="ndt", download_mbps=mbps)
    one.time.FromDatetime(NOON + timedelta(seconds=after_s))
    return one


async def test_reports_of_a_release_before_are_written_beside_columns(
    monitoring: Monitoring,
) -> None:
    """They lie in the stream for a week, and both releases run during an upgrade."""
    before = [measured(n, -60 * k) for n in range(POINTS) for k in range(1, 4)]
    for partition in range(8):
        own = [one for one in before if partition_of(one.point) == partition]
        report = ReportMeasurementsRequest(parent=REGION, measurements=own)
        await monitoring.bus.jetstream.publish(
            f"telemetry.6401.{partition}", report.SerializeToString(), stream=STREAM
        )
    await monitoring.report([measured(n, -60 * k) for n in range(POINTS) for k in range(3)])
    monitoring.write()
    assert await comes_to(monitoring, 4 * POINTS)

    async def all_up() -> bool:
        every = [await monitoring.intervals(n) for n in range(POINTS)]
        return every == [[("UP", -180, None)]] * POINTS

    assert await until(all_up, within_s=10)


async def test_every_figure_is_stored_as_it_was_measured(monitoring: Monitoring) -> None:
    whole = measured(0, -0.000_001)
    whole.method, whole.success = "é=1", True
    whole.packets_sent = whole.packets_received = 3
    whole.attempts_ms[:] = [1.5, -1.0, 0.0]
    whole.certificate_expiry_time.FromDatetime(NOON + timedelta(days=30))
    for place, name in enumerate(REALS):
        setattr(whole, name, place + 0.25)
    bare = Measurement(point=f"{REGION}/points/P-1", source="a-long.source_1", success=False)
    bare.time.FromDatetime(NOON)
    assert await write_measurements(monitoring.needs, 0, [bare, whole]) == 2
    async with monitoring.database.read() as connection:
        first, second = await connection.fetch(
            "SELECT * FROM measurements ORDER BY region_code, point_id"
        )
    assert dict(first) == {
        "region_code": "64.01",
        "point_id": "P-0",
        "source": "icmp",
        "measure_time": whole.time.ToDatetime(UTC),
        "packets_sent": 3,
        "packets_received": 3,
        "success": True,
        "method": "é=1",
        "attempts_ms": [1.5, None, 0.0],
        "certificate_expiry": NOON + timedelta(days=30),
        **{name: place + 0.25 for place, name in enumerate(REALS)},
    }
    given = {"region_code", "point_id", "source", "measure_time", "success", "method"}
    assert {name for name, value in second.items() if value is not None} == given
    assert (second["source"], second["success"], second["method"]) == ("a-long.source_1", False, "")


async def test_a_copy_that_meets_what_is_stored_stores_the_rest_once(
    monitoring: Monitoring,
) -> None:
    """A throughput leaves no trace in the engine's memory, so the writer takes it for new."""
    assert await write_measurements(monitoring.needs, 0, [throughput(-50, 20.0)]) == 1
    await monitoring.roll_up()
    assert await write_measurements(monitoring.needs, 0, [throughput(-50, 20.0)]) == 0
    assert await marks(monitoring) == 0
    some = [throughput(-50, 20.0), measured(0, -40), measured(1, -40), measured(0, -20, "s")]
    assert await write_measurements(monitoring.needs, 0, some) == 3
    assert await monitoring.stored() == 4
    assert await marks(monitoring) == 2
    assert await monitoring.intervals(0) == [("UP", -40, None)]


async def test_a_batch_over_midnight_lies_in_two_days(monitoring: Monitoring) -> None:
    midnight_s = -4 * 3600.0
    times = [midnight_s + after for after in (-60, -0.000_001, 0, 60)]
    assert await write_measurements(monitoring.needs, 0, [measured(0, at) for at in times]) == 4
    async with monitoring.database.read() as connection:
        days = await connection.fetch(
            "SELECT tableoid::regclass::text AS day, count(*) FROM measurements"
            " GROUP BY 1 ORDER BY 1"
        )
    assert [tuple(row) for row in days] == [
        ("measurements_20261123", 2),
        ("measurements_20261124", 2),
    ]
    assert await marks(monitoring) == 2


async def test_the_service_can_add_to_a_day_but_not_read_past_the_policy(
    monitoring: Monitoring,
) -> None:
    await write_measurements(monitoring.needs, 0, [measured(0, 0)])
    for statement in (
        "SELECT * FROM measurements_20261124",
        "DELETE FROM measurements_20261124",
        "UPDATE measurements_20261124 SET method = ''",
    ):
        async with monitoring.database.read() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_a_drop_gives_way_to_a_copy(monitoring: Monitoring) -> None:
    """Fails when the copy does not lock the table that a drop locks."""
    oldest, later = monitoring.needs.oldest, NOON + timedelta(days=36)
    first = measured(0, (oldest - NOON).total_seconds())
    async with monitoring.database.transaction() as connection:
        assert await rows.copy_new(connection, columns_of([first]))
        monitoring.clock.time = later
        with pytest.raises(DatabaseBusy):
            await keep_days(monitoring.needs)
    await keep_days(monitoring.needs)
    assert await monitoring.stored() == 1
    await monitoring.roll_up()
    await keep_days(monitoring.needs)
    assert await monitoring.stored() == 0


async def test_a_buffered_day_that_comes_in_order_is_one_interval(monitoring: Monitoring) -> None:
    """Each part begins after the last one's expiry was noted, as of an agent without link."""
    monitoring.clock.time = NOON + timedelta(days=2)
    for hour in range(24):
        part = [measured(0, 3600 * hour + 60 * minute) for minute in range(60)]
        assert await write_measurements(monitoring.needs, 0, part) == 60
        await expire_statuses(monitoring.needs)
    end = 24 * 3600 - 60
    assert await monitoring.intervals() == [("UP", 0, end + 300), ("UNKNOWN", end + 300, None)]


async def test_two_batches_at_once_of_the_same_measurements_are_stored_once(
    monitoring: Monitoring,
) -> None:
    some = [measured(n, -60 * k) for n in range(POINTS) for k in range(5)]
    counts = await asyncio.gather(
        *(write_measurements(monitoring.needs, 0, some) for _ in range(4))
    )
    assert sorted(counts) == [0, 0, 0, len(some)]
    assert await monitoring.stored() == len(some)
