"""The metrics of measurements on their way: accepted by the stream, then written."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from nats.aio.msg import Msg
from prometheus_client import Counter, Histogram
from smartcity.monitoring.v1.measurement_pb2 import ReportMeasurementsResponse

from monitoring.domain.partitions import PARTITIONS

REASONS = ("INVALID", "OTHER_REGION", "POINT_UNKNOWN", "IN_THE_FUTURE", "TOO_OLD", "NOT_OF_AGENT")

ACCEPTED = Counter(
    "smartcity_measurements_accepted_total",
    "Measurements that the stream has stored, copies included.",
    ("region",),
)
REJECTED = Counter(
    "smartcity_measurements_rejected_total", "Measurements that were not taken.", ("reason",)
)
WRITTEN = Counter(
    "smartcity_measurements_written_total",
    "Measurements that were new and are in the database.",
    ("partition",),
)
DUPLICATES = Counter(
    "smartcity_measurements_duplicate_total",
    "Measurements that were in the database already, or too old by the time.",
    ("partition",),
)
INGEST_SECONDS = Histogram(
    "smartcity_ingest_seconds",
    "From the stream's storing of a message of measurements to the commit of its rows.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400),
)


def show_ingest() -> None:
    """Show the counters from 0 on: an alarm on their growth must see the first step."""
    for partition in range(PARTITIONS):
        for counter in (WRITTEN, DUPLICATES):
            counter.labels(str(partition))
    for reason in REASONS:
        REJECTED.labels(reason)


def show_intake(regions: Iterable[str]) -> None:
    """Show what these regions have sent from 0 on."""
    for region in regions:
        ACCEPTED.labels(region)


def count_report(region: str, answer: ReportMeasurementsResponse) -> None:
    """Count what became of a report."""
    ACCEPTED.labels(region).inc(answer.accepted_count)
    for rejection in answer.rejections:
        REJECTED.labels(rejection.reason).inc()


def count_written(partition: int, given: int, new: int, messages: Sequence[Msg]) -> None:
    """Count a batch whose rows are committed."""
    WRITTEN.labels(str(partition)).inc(new)
    DUPLICATES.labels(str(partition)).inc(given - new)
    now = datetime.now(UTC)
    for message in messages:
        INGEST_SECONDS.observe(max((now - message.metadata.timestamp).total_seconds(), 0))
