"""Roll-ups hold every measurement once, whoever is killed, late or waiting."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from common.caller import CALLER, SYSTEM, Caller
from common.postgres.database import Database, DatabaseAway, DatabaseBusy, open_database
from common.postgres.migrations import migrate
from devstack.databases import owner_of
from devstack.postgres import EmbeddedPostgres
from devstack.testing import MakeDatabase
from devstack.waiting import until
from monitoring.domain.grid import DAY, HOUR, MINUTE
from monitoring.operations import roll_up as rolling
from monitoring.operations.roll_up import roll_up, run_roll_ups
from monitoring.operations.run_writer import keep_days
from monitoring.settings import MIGRATIONS
from monitoring.storage import measurements as rows
from monitoring.storage import roll_ups
from monitoring.testing import (
    NOON,
    POINTS,
    REGION,
    Monitoring,
    columns_of,
    measured,
    write_measurements,
)
from smartcity.monitoring.v1.measurement_history_pb2 import QueryMeasurementsRequest

AT_ONCE = timedelta(0)
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
EARLIER = -7200.0
"""Seconds from noon: in an hour that has ended."""


async def number(database: Database, sql: str) -> int:
    async with database.read() as connection:
        return int(await connection.fetchval(sql) or 0)


async def rolled_up(monitoring: Monitoring) -> tuple[int, int]:
    """Return how many measurements the hours hold, and how many the days."""
    hours = await number(monitoring.database, "SELECT sum(measurements) FROM hourly_roll_ups")
    days = await number(monitoring.database, "SELECT sum(measurements) FROM daily_roll_ups")
    return hours, days


async def write(monitoring: Monitoring, *after_s: float) -> None:
    some = [measured(0, one) for one in after_s]
    await write_measurements(monitoring.needs, 0, some)


async def test_an_hour_is_rolled_up_when_it_has_ended_and_settled(monitoring: Monitoring) -> None:
    await write(monitoring, EARLIER, -60)
    assert await roll_up(monitoring.needs, HOUR) == 0
    assert await roll_up(monitoring.needs, AT_ONCE) == 2
    assert await roll_up(monitoring.needs, AT_ONCE) == 0
    await write(monitoring, 0)
    assert await roll_up(monitoring.needs, AT_ONCE) == 0
    monitoring.clock.time = NOON + HOUR
    assert await roll_up(monitoring.needs, AT_ONCE) == 1
    assert await rolled_up(monitoring) == (3, 3)


async def test_what_comes_again_marks_nothing(monitoring: Monitoring) -> None:
    await write(monitoring, EARLIER)
    await monitoring.roll_up()
    await write(monitoring, EARLIER)
    assert await number(monitoring.database, "SELECT count(*) FROM roll_up_marks") == 0


async def test_an_hour_that_a_writer_is_at_is_passed_by_until_it_is_done(
    monitoring: Monitoring,
) -> None:
    """Fails when the marking does not lock the mark that is there."""
    await write(monitoring, EARLIER)
    async with monitoring.database.transaction() as connection:
        await rows.insert_new(connection, columns_of([measured(0, EARLIER + 60)]))
        assert await roll_up(monitoring.needs, AT_ONCE) == 0
    await monitoring.roll_up()
    assert await rolled_up(monitoring) == (2, 2)


async def test_a_writer_of_an_hour_that_is_being_rolled_up_marks_it_again(
    monitoring: Monitoring,
) -> None:
    await write(monitoring, EARLIER)

    async def one_waits() -> bool:
        return await number(monitoring.database, WAITING) == 1

    async with monitoring.database.transaction() as connection:
        assert len(await roll_ups.take_marks(connection, NOON, AT_ONCE, 10)) == 1
        writer = asyncio.create_task(write(monitoring, EARLIER + 60))
        assert await until(one_waits, within_s=10)
    await writer
    await monitoring.roll_up()
    assert await rolled_up(monitoring) == (2, 2)


async def test_one_process_at_a_time_rolls_up(monitoring: Monitoring) -> None:
    await write(monitoring, EARLIER)
    async with monitoring.database.transaction() as connection:
        assert await roll_ups.is_alone(connection)
        assert await roll_up(monitoring.needs, AT_ONCE) == 0
    assert await roll_up(monitoring.needs, AT_ONCE) == 1


async def test_a_writer_undone_half_way_leaves_neither_rows_nor_marks(
    monitoring: Monitoring,
) -> None:
    async with monitoring.database.transaction(dry_run=True) as connection:
        await rows.insert_new(connection, columns_of([measured(0, EARLIER)]))
    await monitoring.roll_up()
    assert (await monitoring.stored(), await rolled_up(monitoring)) == (0, (0, 0))


async def test_a_database_killed_under_way_leaves_roll_ups_of_every_measurement(
    monitoring: Monitoring, postgres_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "LOOK_EVERY_S", 0.02)
    monitoring.write()
    task = asyncio.create_task(run_roll_ups(monitoring.needs, AT_ONCE))

    async def is_there() -> bool:
        with suppress(DatabaseAway):
            return await monitoring.stored() >= 0
        return False

    for place in range(30):
        if place in {10, 20}:
            assert await until(is_there, within_s=60)
            os.kill(postgres_server.child.pid, signal.SIGKILL)
        batch = [measured(n, EARLIER - 600 * place - k) for n in range(POINTS) for k in range(5)]

        async def acknowledged(batch: Any = batch) -> bool:
            with suppress(grpc.aio.AioRpcError):
                return (await monitoring.report(batch)).accepted_count == len(batch)
            return False

        assert await until(acknowledged, within_s=60)
    whole = 30 * POINTS * 5

    async def all_rolled_up() -> bool:
        with suppress(Exception):
            return await rolled_up(monitoring) == (whole, whole)
        return False

    assert await until(all_rolled_up, within_s=60)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await monitoring.stored() == whole


async def test_a_day_is_dropped_when_its_hours_are_rolled_up_and_answers_for_years(
    monitoring: Monitoring,
) -> None:
    await write(monitoring, EARLIER)
    monitoring.clock.time = NOON + 36 * DAY
    await keep_days(monitoring.needs)
    assert await monitoring.stored() == 1
    await monitoring.roll_up()
    await keep_days(monitoring.needs)
    assert await monitoring.stored() == 0
    assert await counted(monitoring, NOON - 2 * HOUR, HOUR) == 1
    monitoring.clock.time = NOON + 729 * DAY
    await keep_days(monitoring.needs)
    assert await rolled_up(monitoring) == (1, 1)
    monitoring.clock.time = NOON + 740 * DAY
    await keep_days(monitoring.needs)
    assert await rolled_up(monitoring) == (0, 1)
    assert await counted(monitoring, NOON - 2 * HOUR, DAY) == 1


async def counted(monitoring: Monitoring, start: datetime, step: timedelta) -> int:
    request = QueryMeasurementsRequest(parent=f"{REGION}/points/P-0")
    request.start_time.FromDatetime(start)
    request.end_time.FromDatetime(start + MINUTE)
    request.step.FromTimedelta(step)
    (bucket,) = (await monitoring.stub.QueryMeasurements(request)).buckets
    return bucket.count


async def test_an_hour_whose_measurements_are_dropped_is_not_made_anew_of_fewer(
    monitoring: Monitoring,
) -> None:
    """Somebody keeps measurements longer than before, and one comes to a day that is empty now."""
    await write(monitoring, *(EARLIER + n for n in range(10)))
    await monitoring.roll_up()
    monitoring.clock.time = NOON + 36 * DAY
    await keep_days(monitoring.needs)
    longer = replace(monitoring.needs, kept_days=60)
    await keep_days(longer)
    assert await write_measurements(longer, 0, [measured(0, EARLIER + 60)]) == 1
    await monitoring.roll_up()
    assert await rolled_up(monitoring) == (10, 10)


async def test_a_drop_gives_way_to_a_writer(monitoring: Monitoring) -> None:
    await write(monitoring, EARLIER)
    await monitoring.roll_up()
    later = NOON + 36 * DAY
    async with monitoring.database.transaction() as connection:
        await rows.insert_new(connection, columns_of([measured(0, EARLIER + 60)]))
        monitoring.clock.time = later
        with pytest.raises(DatabaseBusy):
            await keep_days(monitoring.needs)
    await monitoring.roll_up()
    await keep_days(monitoring.needs)
    assert await rolled_up(monitoring) == (2, 2)
    assert await monitoring.stored() == 0


async def test_days_are_dropped_while_others_are_written(monitoring: Monitoring) -> None:
    await write(monitoring, *(EARLIER - 3600 * n for n in range(72)))
    await monitoring.roll_up()
    monitoring.clock.time = NOON + 36 * DAY
    await keep_days(replace(monitoring.needs, kept_days=60))
    monitoring.write()
    now_s = 36 * 86400.0

    async def kept() -> bool:
        with suppress(DatabaseBusy):
            await keep_days(monitoring.needs)
            return True
        return False

    batches = [[measured(n, now_s - k) for n in range(POINTS)] for k in range(40)]
    done = await asyncio.gather(
        *(monitoring.report(batch) for batch in batches), until(kept, within_s=60)
    )
    assert done[-1]

    async def all_written() -> bool:
        return await monitoring.stored() == 40 * POINTS

    assert await until(all_written, within_s=60)
    assert await rolled_up(monitoring) == (72, 72)


async def test_what_was_stored_before_there_were_roll_ups_is_rolled_up(
    make_database: MakeDatabase, postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < "0005":
            (tmp_path / path.name).write_text(path.read_text())
    CALLER.set(SYSTEM)
    made = await make_database("monitoring", tmp_path)
    async with open_database(made.url) as database:
        async with database.transaction() as connection:
            await rows.keep_days(connection, NOON.date() - DAY, NOON.date() + DAY)
            some = [measured(0, EARLIER + n) for n in range(5)]
            await rows.insert_new(connection, columns_of(some))
        migrate(postgres_server.dbmate_url(made.name, owner_of("monitoring")), MIGRATIONS)
        assert await number(database, "SELECT count(*) FROM roll_up_marks") == 1


async def test_another_region_s_caller_sees_no_roll_up(monitoring: Monitoring) -> None:
    await write(monitoring, EARLIER, 0)
    await roll_up(monitoring.needs, AT_ONCE)
    for table in ("hourly_roll_ups", "daily_roll_ups", "roll_up_marks"):
        count = f"SELECT count(*) FROM {table}"  # noqa: S608 - one of the three above
        assert await number(monitoring.database, count) == 1
        before = CALLER.set(Caller("siti", "64.09"))
        assert await number(monitoring.database, count) == 0
        CALLER.reset(before)
