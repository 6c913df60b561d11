"""Measurements that are acknowledged are written, whatever is away or fails meanwhile."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from common.postgres import database as postgres
from devstack.postgres import EmbeddedPostgres
from devstack.waiting import until
from monitoring.operations import run_writer
from monitoring.operations.report_measurements import STREAM
from monitoring.testing import POINTS, Monitoring, measured
from monitoring.testing_measurements import comes_to, wrong
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest


async def test_without_the_bus_nothing_is_acknowledged(monitoring: Monitoring) -> None:
    await monitoring.nats.stop()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await monitoring.report([measured(0, 0)])
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    await monitoring.nats.start()


async def test_a_message_that_is_none_is_buried_and_the_others_written(
    monitoring: Monitoring,
) -> None:
    await monitoring.bus.jetstream.publish("telemetry.6401.3", b"\xff\xff\xff", stream=STREAM)
    await monitoring.report([measured(number, 0) for number in range(POINTS)])
    monitoring.write()
    assert await comes_to(monitoring, POINTS)

    async def buried() -> bool:
        return bool((await monitoring.bus.jetstream.stream_info("DEAD")).state.messages)

    assert await until(buried, within_s=10)


async def test_a_database_killed_under_way_loses_and_doubles_nothing(
    monitoring: Monitoring, postgres_server: Any
) -> None:
    monitoring.write()
    batches = [[measured(n, -k) for n in range(POINTS)] for k in range(40)]
    for place, batch in enumerate(batches):
        if place == 20:
            os.kill(postgres_server.child.pid, signal.SIGKILL)
        await acknowledged(monitoring, batch)
    assert await comes_to(monitoring, 40 * POINTS, within_s=60)


@asynccontextmanager
async def away(server: EmbeddedPostgres) -> AsyncIterator[None]:
    """Let the server be away meanwhile."""
    await server.stop()
    try:
        yield
    finally:
        await server.start()


async def test_measurements_are_accepted_while_the_database_is_away_and_written_after(
    monitoring: Monitoring, postgres_server: EmbeddedPostgres
) -> None:
    monitoring.write()
    await monitoring.report([measured(0, 0)])
    async with away(postgres_server):
        for seconds in range(1, 41):
            answer = await monitoring.report([measured(n, seconds) for n in range(POINTS)])
            assert answer.accepted_count == POINTS
        wrong = await monitoring.report([measured(0, 50), measured(0, 86400)])
        assert [(one.index, one.reason) for one in wrong.rejections] == [(1, "IN_THE_FUTURE")]
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await monitoring.report([measured(999, 1)])
        assert unknown.value.code() == grpc.StatusCode.UNAVAILABLE
        assert "not all points of regions/64.01" in (unknown.value.details() or "")
    assert await comes_to(monitoring, 40 * POINTS + 2, within_s=60)
    gone = await monitoring.report([measured(999, 1)])
    assert [one.reason for one in gone.rejections] == ["POINT_UNKNOWN"]


async def test_a_point_that_was_deleted_is_unknown_also_while_the_database_is_away(
    monitoring: Monitoring, postgres_server: EmbeddedPostgres
) -> None:
    await monitoring.report([measured(0, 0), measured(1, 0)])
    async with monitoring.database.transaction() as connection:
        await connection.execute("DELETE FROM points WHERE point_id = 'P-1'")
    assert len((await monitoring.report([measured(1, 1)])).rejections) == 1
    async with away(postgres_server):
        assert (await monitoring.report([measured(0, 1)])).accepted_count == 1
        with pytest.raises(grpc.aio.AioRpcError):
            await monitoring.report([measured(1, 2)])


async def test_measurements_are_accepted_while_every_connection_is_stuck(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE_S", 0.2)
    await monitoring.report([measured(0, 0)])
    async with AsyncExitStack() as stuck:
        with pytest.raises(postgres.DatabaseCrowded):
            while True:
                await stuck.enter_async_context(monitoring.database.read())
        assert (await monitoring.report([measured(0, 1)])).accepted_count == 1


async def acknowledged(monitoring: Monitoring, batch: list[Measurement]) -> None:
    """Report until it is acknowledged, as an agent does."""

    async def so() -> bool:
        try:
            return (await monitoring.report(batch)).accepted_count == len(batch)
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return False

    # A server that was killed first reads again what it had written since its last checkpoint.
    assert await until(so, within_s=90)


async def test_a_message_that_cannot_be_written_is_buried_after_its_tries(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point name that no caller gets past the checks stands for a defect of ours."""
    monkeypatch.setattr(run_writer, "AGAIN_S", 0.05)
    odd = ReportMeasurementsRequest(measurements=[wrong(point="regions/64.01/points")])
    await monitoring.bus.jetstream.publish(
        "telemetry.6401.3", odd.SerializeToString(), stream=STREAM
    )
    await monitoring.report([measured(number, 0) for number in range(POINTS)])
    monitoring.write()
    assert await comes_to(monitoring, POINTS)

    async def buried() -> bool:
        return bool((await monitoring.bus.jetstream.stream_info("DEAD")).state.messages == 1)

    assert await until(buried, within_s=20)
    again = await monitoring.report([measured(number, 60) for number in range(POINTS)])
    assert again.accepted_count == POINTS
    assert await comes_to(monitoring, 2 * POINTS)
