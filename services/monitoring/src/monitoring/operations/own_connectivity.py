"""Whether the prober itself is online: some anchor answers."""

import asyncio
import time
from collections.abc import Sequence

from common.telemetry.logs import logger
from probes.probe import probe
from probes.target import Target

from monitoring.operations.prober_metrics import CUT_OFF

EVERY_S = 1.0


class Connectivity:
    """What the anchors have said; without anchors the prober counts as online."""

    def __init__(self, anchors: Sequence[Target]) -> None:
        self._anchors = anchors
        self._is_online = True
        self._last_cut_off = float("-inf")

    async def watch(self) -> None:
        """Ask the anchors each second until cancelled."""
        while self._anchors:
            await self.was_online_since(time.monotonic())
            await asyncio.sleep(EVERY_S)

    async def was_online_since(self, begin: float) -> bool:
        """Ask the anchors now; tell whether some answered then and whenever asked since `begin`.

        `begin` is of `time.monotonic`.
        """
        if not self._anchors:
            return True
        seen = await asyncio.gather(*map(probe, self._anchors))
        online = any(one.received or one.success for one in seen)
        if not online:
            self._last_cut_off = time.monotonic()
        if online is not self._is_online:
            self._is_online = online
            self._tell([one.error for one in seen])
        return self._last_cut_off < begin

    def _tell(self, errors: Sequence[str]) -> None:
        CUT_OFF.set(0 if self._is_online else 1)
        if self._is_online:
            logger().info("the prober is online again")
        else:
            logger().error("the prober is cut off; nothing is reported", anchors=errors)
