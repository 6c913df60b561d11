"""Taking samples as Prometheus sends them.

What it will never get in is answered so that it goes on, everything else so that it comes again.
"""

import asyncio
from collections.abc import Sequence

from common.errors import FieldsInvalid, Violation
from smartcity.monitoring.v1.measurement_pb2 import (
    Measurement,
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
)
from smartcity.monitoring.v1.measurement_transfer_pb2 import RemoteWriteMeasurementsRequest

from monitoring.domain.samples import Measured, measured
from monitoring.formats.remote_write import read_series
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.report_measurements import report_measurements

AT_ONCE = 10_000
LISTED = 10
MOST_PACKETS = 10_001
"""One more than allowed, so that any greater number is told as too great."""
FRACTION_OF_SECOND_NS = 1_000_000


class SamplesRejected(FieldsInvalid):
    """Some samples can never be taken; the others of the request are stored."""

    reason = "SAMPLES_REJECTED"

    def __init__(self, stored: int, violations: Sequence[Violation]) -> None:
        super().__init__(violations)
        said = "; ".join(dict.fromkeys(v.message for v in violations[:LISTED]))
        self.message = f"measurements stored: {stored}, rejected: {len(violations)}: {said}"


async def remote_write_measurements(
    needs: Dependencies, request: RemoteWriteMeasurementsRequest
) -> None:
    """Store what the samples say of points.

    Raises:
        BodyRefused: The body is none.
        SamplesRejected: Some were not taken; the others are stored.
        BusAway: Not all could be stored; sent again, none is doubled.
    """
    found = await asyncio.to_thread(_measurements, request)
    stored, wrong = 0, []
    for start in range(0, len(found), AT_ONCE):
        some = found[start : start + AT_ONCE]
        batch = ReportMeasurementsRequest(parent=request.parent, measurements=some)
        answer = await report_measurements(needs, batch)
        stored += answer.accepted_count
        wrong += [_violation(some[one.index], one) for one in answer.rejections]
    if wrong:
        raise SamplesRejected(stored, wrong)


def _measurements(request: RemoteWriteMeasurementsRequest) -> list[Measurement]:
    series = read_series(request.body)
    return [_measurement(request.parent, one) for one in measured(series)]


def _measurement(parent: str, one: Measured) -> Measurement:
    key = one.key
    found = Measurement(
        point=f"{parent}/points/{key.point_id}", source=key.source, method=one.method
    )
    seconds, milliseconds = divmod(key.time_ms, 1000)
    found.time.seconds, found.time.nanos = seconds, milliseconds * FRACTION_OF_SECOND_NS
    for name, value in one.figures.items():
        if name == "success":
            found.success = value != 0
        elif name.startswith("packets_"):
            setattr(found, name, round(min(max(value, -1.0), MOST_PACKETS)))
        else:
            setattr(found, name, value)
    return found


def _violation(one: Measurement, rejection: ReportMeasurementsResponse.Rejection) -> Violation:
    return Violation(f"{one.point} {one.source}", rejection.message, rejection.reason)
