"""Taking a batch that an agent signed.

The same batch may be sent again: its measurements are known by point, source and time, so whoever
repeats a batch that they saw adds nothing. Still a batch counts near its sending time only, so that
old ones are not kept for a later use.
"""

from datetime import UTC, datetime, timedelta

from common.errors import FieldsInvalid, Kind, ServiceError, Violation
from common.names import region_of
from common.postgres.values import timestamp
from common.validation import violations
from google.protobuf.message import DecodeError
from smartcity.monitoring.v1.agent_pb2 import AgentBatch, SubmitBatchRequest, SubmitBatchResponse
from smartcity.monitoring.v1.measurement_pb2 import (
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
)

from monitoring.domain.enrolment import BATCH
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.enrol_agent import speak_as
from monitoring.operations.report_measurements import Reporter, report_measurements
from monitoring.storage import agents

NEAR = timedelta(minutes=5)
MOST = 1000


class BatchNotBelieved(ServiceError):
    """The signature is not of this agent's key; whether there is such an agent is not told."""

    kind = Kind.UNAUTHENTICATED
    reason = "BATCH_NOT_BELIEVED"


class ClockWrong(ServiceError):
    """The batch was not sent now, by what it says of its sending."""

    kind = Kind.WRONG_STATE
    reason = "CLOCK_WRONG"


async def submit_batch(needs: Dependencies, request: SubmitBatchRequest) -> SubmitBatchResponse:
    """Store the measurements of a signed batch that are right, and note what it tells of its agent.

    Raises:
        BatchNotBelieved: There is no such agent, it is not enrolled, or the signature is wrong.
        ClockWrong: It was sent too long ago, or will be; the metadata tell the server's time.
        FieldsInvalid: It is no batch of this agent.
        BacklogCrowded: It is large, and others are being taken.
        BusAway: The bus did not take them; sent again, none is doubled.
    """
    async with needs.database.read() as connection:
        known, its_points = await agents.credentials(connection, request.name)
    if not known.signed(BATCH + request.batch, request.signature):
        raise BatchNotBelieved("no agent of this name signed this batch")
    speak_as(request.name)
    batch, report = _unpacked(request)
    _require_near(batch.send_time.ToDatetime(UTC), needs.clock())
    answer = ReportMeasurementsResponse()
    if report.measurements:
        reporter = Reporter(request.name, frozenset(its_points))
        with needs.backlog_turns.turn(len(request.batch)):
            answer = await report_measurements(needs, report, reporter)
    now = needs.clock()
    counts = answer.accepted_count, len(answer.rejections)
    async with needs.database.transaction() as connection:
        await agents.meet(connection, batch, now, counts)
    return SubmitBatchResponse(report=answer, server_time=timestamp(now))


def _unpacked(request: SubmitBatchRequest) -> tuple[AgentBatch, ReportMeasurementsRequest]:
    """Return the batch without its measurements, and these as a report of the agent's region."""
    try:
        batch = AgentBatch.FromString(request.batch)
    except DecodeError as error:
        raise FieldsInvalid([Violation("batch", "is no AgentBatch", "BATCH_MALFORMED")]) from error
    parent = f"regions/{region_of(request.name)}"
    report = ReportMeasurementsRequest(parent=parent, measurements=batch.measurements)
    batch.ClearField("measurements")
    found = [Violation(f"batch.{v.field}", v.message, v.reason) for v in violations(batch)]
    if batch.agent != request.name:
        found.append(Violation("batch.agent", f"must be {request.name}", "OTHER_AGENT"))
    if len(report.measurements) > MOST:
        sentence = f"has {len(report.measurements)} entries; at most {MOST} are allowed"
        found.append(Violation("batch.measurements", sentence, "repeated.max_items"))
    if found:
        raise FieldsInvalid(found)
    return batch, report


def _require_near(sent: datetime, now: datetime) -> None:
    if abs(now - sent) > NEAR:
        time = now.isoformat(timespec="milliseconds")
        raise ClockWrong(
            f"the batch says that it was sent at {sent.isoformat()}, and it is {time}",
            server_time=time,
        )
