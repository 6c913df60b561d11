"""A durable pull subscription that is rebuilt when it falls silent.

After a reconnect a pull may wait for an answer that never comes (nats.py#504). So after a pull that
brought nothing the server is asked: when it does not answer, has forgotten the consumer (a bus that
lost its disk), or has events that do not come, the subscription is made anew. The pull's own
heartbeats are not used: nats-py loses fetched events when the server refuses one (nats.py#794).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from common.errors import ServiceError
from common.events.bus import Bus
from common.telemetry.logs import logger
from common.telemetry.metrics import CONSUMER_PENDING, CONSUMER_REBUILT

PULL_S = 2.0
DRAIN_S = 0.01
UNSUBSCRIBE_S = 1.0
SILENT_PULLS = 2
ACK_WITHIN_S = 30.0
MAX_UNACKED = 50_000
"""Also those that wait for a predecessor or for their next try count."""
REBUILT_AFTER_S = 0.5


class SubscriptionSilent(Exception):
    """There are events and none comes."""


REBUILT_AFTER = (ServiceError, SubscriptionSilent, nats.errors.Error, OSError, TimeoutError)


@dataclass(slots=True)
class Subscription:
    """The subscription of one durable consumer."""

    bus: Bus
    stream: str
    durable: str
    subjects: Sequence[str]
    batch: int

    async def batches(self) -> AsyncGenerator[list[Msg], None]:
        """Yield messages as they come, for ever."""
        while True:
            try:
                async with aclosing(self._batches_once()) as batches:
                    async for messages in batches:
                        yield messages
            except REBUILT_AFTER as error:
                if _is_cancelled():  # which nats-py tells as a closed connection
                    raise asyncio.CancelledError from error
                logger().warning(
                    "subscription rebuilt", consumer=self.durable, error=f"{error!r} {error}"
                )
                CONSUMER_REBUILT.labels(self.durable).inc()
                await asyncio.sleep(REBUILT_AFTER_S)

    async def _batches_once(self) -> AsyncGenerator[list[Msg], None]:
        await self.bus.first_connection()
        jetstream = self.bus.jetstream
        await jetstream.add_consumer(self.stream, self._config())
        pull = await jetstream.pull_subscribe_bind(consumer=self.durable, stream=self.stream)
        silent = 0
        try:
            while silent < SILENT_PULLS:
                try:
                    yield self._counted(await pull.fetch(1, timeout=PULL_S))
                    silent = 0
                except TimeoutError:
                    silent = silent + 1 if await self._has_unseen(jetstream) else 0
                    continue
                # One is waited for and passed on at once: a pull of many waits for all of them.
                with suppress(TimeoutError):
                    while True:
                        yield self._counted(await pull.fetch(self.batch, timeout=DRAIN_S))
        finally:
            with suppress(nats.errors.Error, OSError, TimeoutError):
                async with asyncio.timeout(UNSUBSCRIBE_S):  # a server that is gone takes no word
                    await pull.unsubscribe()
        raise SubscriptionSilent(f"{self.durable} has unseen events and gets none")

    def _counted(self, messages: list[Msg]) -> list[Msg]:
        """Show what is behind the messages: who is never idle asks the server for nothing."""
        if messages:
            CONSUMER_PENDING.labels(self.durable).set(messages[-1].metadata.num_pending)
        return messages

    async def _has_unseen(self, jetstream: JetStreamContext) -> bool:
        """Ask the server, which must answer, whether there is something that did not come."""
        info = await jetstream.consumer_info(self.stream, self.durable)
        CONSUMER_PENDING.labels(self.durable).set(info.num_pending or 0)
        full = (info.num_ack_pending or 0) >= MAX_UNACKED
        return bool(info.num_pending) and not full

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


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
