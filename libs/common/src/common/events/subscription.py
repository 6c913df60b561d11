"""A durable pull subscription that is rebuilt when it falls silent.

After a reconnect a pull may wait for an answer that never comes (nats.py#504). The server is asked
for heartbeats: a pull that hears neither events nor heartbeats is given up and made anew, and so is
the durable consumer when a bus without its disk has forgotten it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import nats.errors
import nats.js.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from common.errors import ServiceError
from common.events.bus import Bus
from common.telemetry.logs import logger
from common.telemetry.metrics import CONSUMER_PENDING, CONSUMER_REBUILT

PULL_S = 2.0
HEARTBEAT_S = 0.5
ACK_WITHIN_S = 30.0
MAX_UNACKED = 2000
MEASURED_EVERY_S = 5.0
REBUILT_AFTER_S = 0.5


@dataclass(slots=True)
class Subscription:
    """The subscription of one durable consumer."""

    bus: Bus
    stream: str
    durable: str
    subjects: Sequence[str]
    batch: int

    async def batches(self) -> AsyncIterator[list[Msg]]:
        """Yield messages as they come, for ever."""
        while True:
            try:
                async for messages in self._batches_once():
                    yield messages
            except (ServiceError, nats.errors.Error, OSError, TimeoutError) as error:
                logger().warning("subscription rebuilt", consumer=self.durable, error=repr(error))
                CONSUMER_REBUILT.labels(self.durable).inc()
                await asyncio.sleep(REBUILT_AFTER_S)

    async def _batches_once(self) -> AsyncIterator[list[Msg]]:
        jetstream = self.bus.jetstream
        await jetstream.add_consumer(self.stream, self._config())
        pull = await jetstream.pull_subscribe_bind(consumer=self.durable, stream=self.stream)
        measured = 0.0
        try:
            while True:
                if asyncio.get_running_loop().time() - measured > MEASURED_EVERY_S:
                    measured = asyncio.get_running_loop().time()
                    await self._measure(jetstream)
                try:
                    yield await pull.fetch(self.batch, timeout=PULL_S, heartbeat=HEARTBEAT_S)
                except nats.js.errors.FetchTimeoutError:
                    continue  # heartbeats came: there is nothing new
        finally:
            with suppress(nats.errors.Error, OSError):
                await pull.unsubscribe()

    async def _measure(self, jetstream: JetStreamContext) -> None:
        info = await jetstream.consumer_info(self.stream, self.durable)
        CONSUMER_PENDING.labels(self.durable).set(info.num_pending or 0)

    def _config(self) -> ConsumerConfig:
        return ConsumerConfig(
            durable_name=self.durable,
            filter_subjects=list(self.subjects),
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WITHIN_S,
            max_ack_pending=MAX_UNACKED,
            max_deliver=-1,
        )
