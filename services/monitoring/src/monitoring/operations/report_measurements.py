"""Taking measurements: what is accepted is in the stream before it is acknowledged."""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import nats.errors
from common.errors import FieldsInvalid
from common.events.bus import BusAway
from common.names import last_id, region_of
from common.validation import violations
from smartcity.monitoring.v1.measurement_pb2 import (
    Measurement,
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
)

from monitoring.domain.partitions import partition_of
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.ingest_metrics import count_report
from monitoring.storage import points

STREAM = "TELEMETRY"
ONE_OF_MANY = re.compile(r"measurements\[(?P<index>\d+)\]\.?(?P<field>.*)", re.ASCII)
IN_A_MESSAGE = 2_000
FUTURE = timedelta(minutes=5)
PUBLISH_S = 10.0
Rejection = ReportMeasurementsResponse.Rejection
WhyNot = tuple[str, str] | None
"""Why a measurement is not taken, for programs and for people; None when it is."""


def _anybodys(_: Measurement) -> WhyNot:
    return None


async def report_measurements(
    needs: Dependencies,
    request: ReportMeasurementsRequest,
    not_of_reporter: Callable[[Measurement], WhyNot] = _anybodys,
) -> ReportMeasurementsResponse:
    """Store the measurements that are right, and tell of each other one why it is not.

    `not_of_reporter` tells what this reporter may not report.

    Raises:
        FieldsInvalid: The request as a whole is none.
        BusAway: The bus did not take them; sent again, none is doubled.
    """
    rejections = await judge_measurements(needs, request, not_of_reporter)
    wrong = {rejection.index for rejection in rejections}
    taken = [m for index, m in enumerate(request.measurements) if index not in wrong]
    await _publish(needs, request.parent, taken)
    answer = ReportMeasurementsResponse(accepted_count=len(taken), rejections=rejections)
    count_report(last_id(request.parent), answer)
    return answer


async def judge_measurements(
    needs: Dependencies,
    request: ReportMeasurementsRequest,
    not_of_reporter: Callable[[Measurement], WhyNot] = _anybodys,
) -> list[Rejection]:
    """Return why which of the measurements cannot be taken, in the order of the request.

    Raises:
        FieldsInvalid: The request as a whole is none.
    """
    return await _rejections(needs, request, _invalid(request), not_of_reporter)


def _invalid(request: ReportMeasurementsRequest) -> dict[int, str]:
    """Return what is wrong with each measurement that breaks the proto's rules.

    Raises:
        FieldsInvalid: The request as a whole breaks them.
    """
    found: dict[int, str] = {}
    whole = []
    for violation in violations(request):
        place = ONE_OF_MANY.fullmatch(violation.field)
        if place is None:
            whole.append(violation)
            continue
        index, said = int(place["index"]), f"{place['field']}: {violation.message}"
        found[index] = f"{found[index]}; {said}" if index in found else said
    if whole:
        raise FieldsInvalid(whole)
    return found


async def _rejections(
    needs: Dependencies,
    request: ReportMeasurementsRequest,
    invalid: Mapping[int, str],
    not_of_reporter: Callable[[Measurement], WhyNot],
) -> list[Rejection]:
    region = last_id(request.parent)
    asked = {last_id(m.point) for m in request.measurements if region_of(m.point) == region}
    async with needs.database.read() as connection:
        known = await points.known(connection, region, asked)
    now, oldest = needs.clock(), needs.oldest
    found = []
    for index, measurement in enumerate(request.measurements):
        if index in invalid:
            why: WhyNot = ("INVALID", invalid[index])
        else:
            why = not_of_reporter(measurement) or _why_not(measurement, region, known, oldest, now)
        if why:
            found.append(Rejection(index=index, reason=why[0], message=why[1]))
    return found


def _why_not(
    measurement: Measurement, region: str, known: set[str], oldest: datetime, now: datetime
) -> WhyNot:
    if region_of(measurement.point) != region:
        return "OTHER_REGION", f"point: {measurement.point} is not in regions/{region}"
    if last_id(measurement.point) not in known:
        return "POINT_UNKNOWN", f"point: there is no {measurement.point}"
    try:
        time = measurement.time.ToDatetime(UTC)
    except ValueError as error:
        return "INVALID", f"time: {error}"
    if time > now + FUTURE:
        return "IN_THE_FUTURE", f"time: {_shown(time)} is after {_shown(now + FUTURE)}"
    if time < oldest:
        return "TOO_OLD", f"time: {_shown(time)} is before {_shown(oldest)}, the first that is kept"
    return None


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


async def _publish(needs: Dependencies, parent: str, taken: Sequence[Measurement]) -> None:
    """Publish with all acknowledgements in flight, and wait for them all."""
    sent = []
    try:
        for partition, some in _messages(taken):
            subject = f"telemetry.{last_id(parent).replace('.', '')}.{partition}"
            body = ReportMeasurementsRequest(parent=parent, measurements=some).SerializeToString()
            sent.append(await needs.bus.jetstream.publish_async(subject, body, stream=STREAM))
        async with asyncio.timeout(PUBLISH_S):
            await asyncio.gather(*sent)
    except (nats.errors.Error, OSError, TimeoutError) as error:
        raise BusAway("the measurements could not be stored; send them again") from error


def _messages(taken: Sequence[Measurement]) -> Iterator[tuple[int, list[Measurement]]]:
    by_partition: dict[int, list[Measurement]] = {}
    for measurement in taken:
        by_partition.setdefault(partition_of(measurement.point), []).append(measurement)
    for partition, some in by_partition.items():
        for start in range(0, len(some), IN_A_MESSAGE):
            yield partition, some[start : start + IN_A_MESSAGE]
