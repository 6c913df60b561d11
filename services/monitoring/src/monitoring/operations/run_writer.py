"""The writer's loops: one for each partition, one that lets states expire, one that keeps days."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

import asyncpg
import nats.errors
from common.errors import ServiceError
from common.events.consumer import TRIES
from common.events.dead_letters import bury, plain
from common.events.subscription import Subscription
from common.telemetry.logs import logger
from google.protobuf.message import DecodeError
from nats.aio.msg import Msg
from smartcity.monitoring.v1.measurement_pb2 import ReportMeasurementsRequest

from monitoring.domain.columns import Columns, joined
from monitoring.domain.partitions import PARTITIONS
from monitoring.formats.measurement_batches import from_bytes
from monitoring.formats.measurement_columns import read
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.ingest_metrics import count_written
from monitoring.operations.report_measurements import STREAM
from monitoring.operations.write_measurements import expire_statuses, write_measurements
from monitoring.storage import measurements as rows
from monitoring.storage import roll_ups, timelines

BATCH = 128
"""Messages; each holds at most 1,000 measurements, of a release before 2,000."""
BUSY_PER_S = 1_000
"""From so many measurements a second on a partition is busy."""
GATHER_S = 1.0
AGAIN_S = 1.0
LOOK_EVERY_S = 1.0
DAYS_AHEAD = 2
DAYS_EVERY_S = 3600.0
Read = Callable[[bytes], Columns]
"""Raises DecodeError when the bytes are no message of its form."""


class Form(NamedTuple):
    """A form of messages: by which subjects they come, who takes them, how they are read."""

    prefix: str
    consumer: str
    read: Read

    def subject(self, partition: int) -> str:
        """Return what the messages of a partition come by, of every region."""
        return f"telemetry.*.{self.prefix}{partition}"

    def consumer_of(self, partition: int) -> str:
        """Return the name of the consumer that takes them."""
        return f"{self.consumer}-{partition}"


def _of_report(message: bytes) -> Columns:
    return read(ReportMeasurementsRequest.FromString(message).measurements).columns


# Releases before the columns read and wrote reports; they may run beside this one, and what they
# left lies in the stream for a week. So each form has subjects and a consumer of its own.
FORMS = (
    Form("", "monitoring-writer", _of_report),
    Form("columns-", "monitoring-columns", from_bytes),
)
SURVIVED = (ServiceError, nats.errors.Error, asyncpg.PostgresError, OSError, TimeoutError)


async def run_writer(needs: Dependencies) -> None:
    """Write all partitions until cancelled."""
    await _until_done(needs)
    await asyncio.gather(
        _keep_days(needs),
        _expire(needs),
        *(_write(needs, partition, form) for partition in range(PARTITIONS) for form in FORMS),
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


async def _write(needs: Dependencies, partition: int, form: Form) -> None:
    name = form.consumer_of(partition)
    subscription = Subscription(needs.bus, STREAM, name, (form.subject(partition),), BATCH)
    work, pace = _Work(needs, partition, name, form.read), _Pace()
    async with aclosing(subscription.batches()) as batches:
        async for messages in batches:
            await work.do(messages)
            if (messages[-1].metadata.num_pending or 0) < BATCH:  # else a whole batch waits
                await pace.keep(work.taken)


@dataclass(slots=True)
class _Pace:
    """Lets a busy partition gather, for what a transaction costs is by its points, not its rows."""

    _begin: float = field(default_factory=time.monotonic)
    _taken: int = 0

    async def keep(self, taken: int) -> None:
        """Wait until it is long enough since the last time, when much has been taken since then."""
        now = time.monotonic()
        since, count = now - self._begin, taken - self._taken
        if since < GATHER_S and count > BUSY_PER_S * since:
            await asyncio.sleep(GATHER_S - since)
        self._begin, self._taken = time.monotonic(), taken


@dataclass(slots=True)
class _Work:
    """What one consumer does with its messages."""

    needs: Dependencies
    partition: int
    consumer: str
    read: Read
    taken: int = 0
    """Measurements."""

    async def do(self, messages: Sequence[Msg]) -> None:
        """Write all together or, when something in them is why they fail, one by one."""
        try:
            await self._take(messages)
        except SURVIVED as error:
            logger().warning("not written", partition=self.partition, error=repr(error))
            for message in messages:
                await _tell(message, again=True)
        except Exception as error:  # noqa: BLE001 - one message must stop neither others nor the API
            if len(messages) > 1:
                for message in messages:
                    await self.do([message])
            else:
                await self._failed(messages[0], error)

    async def _failed(self, message: Msg, error: Exception) -> None:
        """Try a message again, and bury it after as many tries as an event has."""
        tries = message.metadata.num_delivered or 1
        logger().error(
            "message not written", consumer=self.consumer, tries=tries, error=repr(error)
        )
        if tries >= TRIES:
            try:
                await bury(self.needs.bus, self.consumer, message, plain(repr(error)), tries)
            except SURVIVED:
                await _tell(message, again=True)
                return
        await _tell(message, again=tries < TRIES)

    async def _take(self, messages: Sequence[Msg]) -> None:
        batches: list[Columns] = []
        for message in messages:
            try:
                batches.append(self.read(message.data))
            except DecodeError as error:
                await bury(self.needs.bus, self.consumer, message, str(error), 1)
        if batches:
            new = await write_measurements(self.needs, self.partition, joined(batches))
            given = sum(map(len, batches))
            count_written(self.partition, given, new, messages)
            self.taken += given
        for message in messages:
            await _tell(message)


async def _tell(message: Msg, *, again: bool = False) -> None:
    """Tell the stream; what is lost of it comes again, and changes nothing then."""
    with suppress(nats.errors.Error, OSError):
        await (message.nak(delay=AGAIN_S) if again else message.ack())
