"""What the prober saw becomes measurements, unless the prober itself was cut off.

Nobody has been told that a result is kept before the stream has it. So what is lost when the
prober dies, or when its buffer is full since the bus or the database is away for long, is a gap.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from common.errors import ServiceError
from common.names import region_of
from common.telemetry.logs import logger
from google.protobuf.timestamp_pb2 import Timestamp
from probes.outcome import Outcome
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest

from monitoring.domain.check import ScheduledCheck
from monitoring.domain.schedule import Due
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.own_connectivity import Connectivity
from monitoring.operations.prober_metrics import BUFFERED, LOST, WITHHELD
from monitoring.operations.report_measurements import report_measurements

GATHER_S = 0.1
AGAIN_S = 1.0
IN_A_REPORT = 2_000
NO_ANSWER = -1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome of one check."""

    due: Due[ScheduledCheck]
    outcome: Outcome
    begin: float
    """Of `time.monotonic`."""

    @property
    def clean(self) -> bool:
        """Tell whether everything that was asked was answered."""
        return bool(self.outcome.success) or self.outcome.loss == 0


@dataclass(slots=True)
class Reports:
    """Results on their way into the stream, at most `most` of each region."""

    needs: Dependencies
    connectivity: Connectivity
    most: int = 200_000
    _fresh: list[Seen] = field(default_factory=list)
    _waiting: dict[str, deque[Measurement]] = field(default_factory=dict)
    _came: asyncio.Event = field(default_factory=asyncio.Event)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, seen: Seen) -> None:
        """Take a result."""
        self._fresh.append(seen)
        self._came.set()

    async def judge(self) -> None:
        """Let through what was seen while the prober was online, until cancelled."""
        while True:
            await self._came.wait()
            await asyncio.sleep(GATHER_S)
            self._came.clear()
            fresh, self._fresh = self._fresh, []
            if await self._is_credible(fresh):
                self._keep([measurement_of(seen) for seen in fresh])
            else:
                WITHHELD.inc(len(fresh))

    async def send(self) -> None:
        """Report what waits, the oldest first, until cancelled."""
        while True:
            await self._ready.wait()
            if not await self._send_some():
                await asyncio.sleep(AGAIN_S)

    async def _is_credible(self, fresh: Sequence[Seen]) -> bool:
        """Tell whether some anchor answered whenever asked since the first of the results began.

        Where everything was answered, nobody need be asked.
        """
        if all(seen.clean for seen in fresh):
            return True
        return await self.connectivity.was_online_since(min(seen.begin for seen in fresh))

    def _keep(self, measurements: Iterable[Measurement]) -> None:
        for measurement in measurements:
            waiting = self._waiting.setdefault(region_of(measurement.point), deque())
            waiting.append(measurement)
            if len(waiting) > self.most:
                waiting.popleft()
                LOST.inc()
        self._show()

    async def _send_some(self) -> bool:
        """Report the first ones of one region; tell whether they need not be sent again."""
        region, waiting = next((r, w) for r, w in self._waiting.items() if w)
        some = [waiting.popleft() for _ in range(min(len(waiting), IN_A_REPORT))]
        request = ReportMeasurementsRequest(parent=f"regions/{region}", measurements=some)
        try:
            answer = await report_measurements(self.needs, request)
        except ServiceError as error:
            waiting.extendleft(reversed(some))
            logger().warning("results not reported yet", waiting=len(waiting), error=str(error))
            return False
        for rejection in answer.rejections:
            logger().warning("result refused", why=rejection.reason, text=rejection.message)
        self._show()
        return True

    def _show(self) -> None:
        count = sum(map(len, self._waiting.values()))
        BUFFERED.set(count)
        if count:
            self._ready.set()
        else:
            self._ready.clear()


def measurement_of(seen: Seen) -> Measurement:
    """Return a result as a measurement of the moment at which its check was due.

    By that moment two probers' results are known to be the same one.
    """
    check, outcome = seen.due.item, seen.outcome
    seconds, rest_ms = divmod(seen.due.moment_ms, 1000)
    found = Measurement(
        point=check.point,
        source=check.check_id,
        time=Timestamp(seconds=seconds, nanos=rest_ms * 1_000_000),
        success=outcome.success,
        http_ms=outcome.http_ms,
        dns_ms=outcome.dns_ms,
        method=check.target.kind.value.lower(),
    )
    if outcome.sent:
        _set_packets(found, outcome)
    if outcome.certificate_expiry:
        found.certificate_expiry_time.FromDatetime(outcome.certificate_expiry)
    return found


def _set_packets(found: Measurement, outcome: Outcome) -> None:
    figures = Measurement(
        packets_sent=outcome.sent,
        packets_received=outcome.received,
        rtt_min_ms=outcome.min_ms,
        rtt_mean_ms=outcome.mean_ms,
        rtt_max_ms=outcome.max_ms,
        rtt_p95_ms=outcome.p95_ms,
        jitter_ms=outcome.jitter_ms,
        attempts_ms=[NO_ANSWER if one is None else one for one in outcome.attempts_ms],
    )
    found.MergeFrom(figures)
