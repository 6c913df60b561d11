"""Taking measurements: what is accepted is in the stream before it is acknowledged.

All measurements of a request are looked at together, as columns. Those that may be wrong are then
looked at one by one, by the rules that the proto declares: so what is right costs little, and what
is wrong is told in the same words wherever it is found.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import nats.errors
import numpy as np
from common.errors import FieldsInvalid
from common.events.bus import BusAway
from common.names import last_id, region_of
from common.validation import violations
from smartcity.monitoring.v1.measurement_pb2 import (
    Measurement,
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
)

from monitoring.domain.columns import Columns
from monitoring.domain.partitions import partition_of
from monitoring.formats.measurement_batches import in_bytes
from monitoring.formats.measurement_columns import Reading, read
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.ingest_metrics import count_report

STREAM = "TELEMETRY"
MOST = 10_000
IN_A_MESSAGE = 1_000
"""With a hundred attempts each they have half a megabyte; the bus takes one."""
FUTURE = timedelta(minutes=5)
PUBLISH_S = 10.0
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Rejection = ReportMeasurementsResponse.Rejection
WhyNot = tuple[str, str] | None
"""Why a measurement is not taken, for programs and for people; None when it is."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Somebody who may not report everything: for these points alone, and under its own name."""

    name: str
    points: frozenset[str]

    @property
    def source(self) -> str:
        """The source of all its measurements."""
        return last_id(self.name)

    def may_report(self, columns: Columns) -> "np.typing.NDArray[np.bool_]":
        """Tell which measurements are its own."""
        own = columns.point.where(self.points.__contains__)
        return own & columns.source.where(self.source.__eq__)

    def why_not(self, measurement: Measurement) -> WhyNot:
        """Return why a measurement is not its own."""
        if measurement.point not in self.points:
            text = f"point: {self.name} may not report for {measurement.point}"
            return "NOT_OF_AGENT", text
        if measurement.source != self.source:
            return "NOT_OF_AGENT", f"source: must be {self.source}, not {measurement.source}"
        return None


@dataclass(frozen=True, slots=True)
class _Judged:
    columns: Columns
    rejections: list[Rejection]

    def taken(self) -> Columns:
        """Return what was not rejected."""
        if not self.rejections:
            return self.columns
        right = np.ones(len(self.columns), np.bool_)
        right[[rejection.index for rejection in self.rejections]] = False
        return self.columns.take(right)


async def report_measurements(
    needs: Dependencies,
    request: ReportMeasurementsRequest,
    reporter: Reporter | None = None,
) -> ReportMeasurementsResponse:
    """Store the measurements that are right, and tell of each other one why it is not.

    Raises:
        FieldsInvalid: The request as a whole is none.
        BusAway: The bus did not take them; sent again, none is doubled.
        DatabaseAway: And not all points were known before it went.
    """
    judged = await _judge(needs, request, reporter)
    taken = judged.taken()
    await _publish(needs, request.parent, taken)
    answer = ReportMeasurementsResponse(accepted_count=len(taken), rejections=judged.rejections)
    count_report(last_id(request.parent), answer)
    return answer


async def judge_measurements(
    needs: Dependencies, request: ReportMeasurementsRequest
) -> list[Rejection]:
    """Return why which of the measurements cannot be taken, in the order of the request.

    Raises:
        FieldsInvalid: The request as a whole is none.
    """
    return (await _judge(needs, request, None)).rejections


async def _judge(
    needs: Dependencies, request: ReportMeasurementsRequest, reporter: Reporter | None
) -> _Judged:
    _require_whole(request)
    measurements = list(request.measurements)
    reading = read(measurements)
    region, columns = last_id(request.parent), reading.columns
    asked = [last_id(name) for name in columns.point.values if region_of(name) == region]
    known = await needs.known_points.among(needs.database, region, asked)
    judging = _Judging(request.parent, known, needs.oldest, needs.clock() + FUTURE, reporter)
    rejections = judging.rejections(measurements, judging.doubtful(reading))
    return _Judged(columns, rejections)


@dataclass(frozen=True, slots=True)
class _Judging:
    """What measurements of one request are judged by."""

    parent: str
    known: set[str]
    """Ids of points of the region."""
    oldest: datetime
    latest: datetime
    reporter: Reporter | None

    def doubtful(self, reading: Reading) -> list[int]:
        """Return the places of those measurements that may be wrong."""
        columns = reading.columns
        names = {f"{self.parent}/points/{point_id}" for point_id in self.known}
        early = columns.time_us < (self.oldest - EPOCH) // MICROSECOND
        late = columns.time_us > (self.latest - EPOCH) // MICROSECOND
        doubts = reading.doubtful | early | late | ~columns.point.where(names.__contains__)
        if self.reporter:
            doubts |= ~self.reporter.may_report(columns)
        places: list[int] = np.flatnonzero(doubts).tolist()
        return places

    def rejections(
        self, measurements: Sequence[Measurement], doubtful: Sequence[int]
    ) -> list[Rejection]:
        """Return why which of the doubtful ones cannot be taken."""
        judged = ((index, self._why_not(measurements[index])) for index in doubtful)
        return [
            Rejection(index=index, reason=why[0], message=why[1]) for index, why in judged if why
        ]

    def _why_not(self, measurement: Measurement) -> WhyNot:
        if invalid := _invalid(measurement):
            return "INVALID", invalid
        of_another = self.reporter.why_not(measurement) if self.reporter else None
        return of_another or self._why_not_here(measurement) or self._why_not_now(measurement)

    def _why_not_here(self, measurement: Measurement) -> WhyNot:
        if region_of(measurement.point) != last_id(self.parent):
            return "OTHER_REGION", f"point: {measurement.point} is not in {self.parent}"
        if last_id(measurement.point) not in self.known:
            return "POINT_UNKNOWN", f"point: there is no {measurement.point}"
        return None

    def _why_not_now(self, measurement: Measurement) -> WhyNot:
        field = "time"
        try:
            time = measurement.time.ToDatetime(UTC)
            field = "certificateExpiryTime"
            measurement.certificate_expiry_time.ToDatetime(UTC)
        except (ValueError, OverflowError) as error:
            return "INVALID", f"{field}: {error}"
        if time > self.latest:
            return "IN_THE_FUTURE", f"time: {_shown(time)} is after {_shown(self.latest)}"
        if time < self.oldest:
            first = _shown(self.oldest)
            return "TOO_OLD", f"time: {_shown(time)} is before {first}, the first that is kept"
        return None


def _invalid(measurement: Measurement) -> str:
    """Return which of the proto's rules a measurement breaks, "" for none."""
    return "; ".join(f"{one.field}: {one.message}" for one in violations(measurement))


def _require_whole(request: ReportMeasurementsRequest) -> None:
    """Refuse a request that is none, whatever its measurements are like.

    Raises:
        FieldsInvalid: With all that is wrong.
    """
    if not 0 < len(request.measurements) <= MOST:
        raise FieldsInvalid(violations(request))
    found = violations(ReportMeasurementsRequest(parent=request.parent))
    if wrong := [violation for violation in found if violation.field != "measurements"]:
        raise FieldsInvalid(wrong)


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


async def _publish(needs: Dependencies, parent: str, taken: Columns) -> None:
    """Publish with all acknowledgements in flight, and wait for them all."""
    sent = []
    try:
        for partition, some in _messages(taken):
            subject = f"telemetry.{last_id(parent).replace('.', '')}.columns-{partition}"
            body = in_bytes(some)
            sent.append(await needs.bus.jetstream.publish_async(subject, body, stream=STREAM))
        async with asyncio.timeout(PUBLISH_S):
            await asyncio.gather(*sent)
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise BusAway("the measurements could not be stored; send them again") from error


def _messages(taken: Columns) -> Iterator[tuple[int, Columns]]:
    partitions = [partition_of(name) for name in taken.point.values]
    of_rows = np.array(partitions, np.int8)[taken.point.of]
    for partition in np.unique(of_rows).tolist():
        rows = np.flatnonzero(of_rows == partition)
        for start in range(0, len(rows), IN_A_MESSAGE):
            yield partition, taken.take(rows[start : start + IN_A_MESSAGE])
