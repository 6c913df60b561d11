"""The writer's loops: one for each partition, one that lets states expire, one that keeps days."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import timedelta

import asyncpg
import nats.errors
from common.errors import ServiceError
from common.events.consumer import TRIES
from common.events.dead_letters import bury, plain
from common.events.subscription import Subscription
from common.telemetry.logs import logger
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest

from monitoring.domain.partitions import PARTITIONS
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.ingest_metrics import count_written
from monitoring.operations.report_measurements import STREAM
from monitoring.operations.write_measurements import expire_statuses, write_measurements
from monitoring.storage import measurements as rows
from monitoring.storage import roll_ups, timelines

BATCH = 64
"""Messages; each holds at most 2,000 measurements."""
AGAIN_S = 1.0
LOOK_EVERY_S = 1.0
DAYS_AHEAD = 2
DAYS_EVERY_S = 3600.0
SURVIVED = (ServiceError, nats.errors.Error, asyncpg.PostgresError, OSError, TimeoutError)


async def run_writer(needs: Dependencies) -> None:
    """Write all partitions until cancelled."""
    await _until_done(needs)
    await asyncio.gather(
        _keep_days(needs),
        _expire(needs),
        *(_write(needs, partition) for partition in range(PARTITIONS)),
    )


async def keep_days(needs: Dependencies) -> None:
    """Have tables for the days whose measurements are accepted, and nothing of older ones.

    A day whose hours are not all rolled up stays until they are.
    """
    oldest, last = needs.oldest, needs.clock() + timedelta(days=DAYS_AHEAD)
    async with needs.database.transaction() as connection:
        await roll_ups.keep_months(connection, needs.oldest_hourly, oldest, last)
        await timelines.prune(connection, oldest)
        # The last, since a drop keeps writers waiting until the transaction's end.
        await rows.keep_days(connection, oldest.date(), last.date())


async def _until_done(needs: Dependencies) -> None:
    while True:
        try:
            return await keep_days(needs)
        except SURVIVED as error:
            logger().warning("days not kept", error=repr(error))
            await asyncio.sleep(AGAIN_S)


async def _keep_days(needs: Dependencies) -> None:
    while True:
        await asyncio.sleep(DAYS_EVERY_S)
        await _until_done(needs)


async def _expire(needs: Dependencies) -> None:
    while True:
        try:
            await expire_statuses(needs)
        except SURVIVED as error:
            logger().warning("states not expired", error=repr(error))
        await asyncio.sleep(LOOK_EVERY_S)


async def _write(needs: Dependencies, partition: int) -> None:
    name = f"monitoring-writer-{partition}"
    subjects = (f"telemetry.*.{partition}",)
    subscription = Subscription(needs.bus, STREAM, name, subjects, BATCH)
    async with aclosing(subscription.batches()) as batches:
        async for messages in batches:
            await _work(needs, partition, name, messages)


async def _work(needs: Dependencies, partition: int, name: str, messages: Sequence[Msg]) -> None:
    """Write all together or, when something in them is the reason that they fail, one by one."""
    try:
        await _take(needs, partition, name, messages)
    except SURVIVED as error:
        logger().warning("not written", partition=partition, error=repr(error))
        for message in messages:
            await _tell(message, again=True)
    except Exception as error:  # noqa: BLE001 - one message must stop neither others nor the API
        if len(messages) > 1:
            for message in messages:
                await _work(needs, partition, name, [message])
        else:
            await _failed(needs, name, messages[0], error)


async def _failed(needs: Dependencies, name: str, message: Msg, error: Exception) -> None:
    """Try a message again, and bury it after as many tries as an event has."""
    tries = message.metadata.num_delivered or 1
    logger().error("message not written", consumer=name, tries=tries, error=repr(error))
    if tries >= TRIES:
        try:
            await bury(needs.bus, name, message, plain(repr(error)), tries)
        except SURVIVED:
            await _tell(message, again=True)
            return
    await _tell(message, again=tries < TRIES)


async def _take(needs: Dependencies, partition: int, name: str, messages: Sequence[Msg]) -> None:
    measurements: list[Measurement] = []
    for message in messages:
        try:
            measurements += ReportMeasurementsRequest.FromString(message.data).measurements
        except DecodeError as error:
            await bury(needs.bus, name, message, str(error), 1)
    new = await write_measurements(needs, partition, measurements)
    count_written(partition, len(measurements), new, messages)
    for message in messages:
        await _tell(message)


async def _tell(message: Msg, *, again: bool = False) -> None:
    """Tell the stream; what is lost of it comes again, and changes nothing then."""
    with suppress(nats.errors.Error, OSError):
        await (message.nak(delay=AGAIN_S) if again else message.ack())
