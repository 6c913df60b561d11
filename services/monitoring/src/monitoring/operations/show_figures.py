"""The figures of all regions as metrics, looked at in the background: points, incidents, lags."""

import asyncio
from functools import partial

from common.telemetry.gauge_table import GaugeTable
from common.telemetry.refresh import keep_fresh
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

from monitoring.domain.partitions import PARTITIONS
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.incident_metrics import show_regions
from monitoring.operations.ingest_metrics import show_ingest, show_intake
from monitoring.operations.report_measurements import STREAM
from monitoring.operations.run_writer import FORMS, Form
from monitoring.storage import figures

POINTS = GaugeTable("smartcity_points", "Points in service, by their state.", ("region", "state"))
INCIDENTS = GaugeTable(
    "smartcity_open_incidents",
    "Incidents that last and that no other incident holds.",
    ("region", "priority", "state"),
)
ROLL_UP_HOURS = Gauge(
    "smartcity_roll_ups_pending", "Hours of points that have ended and are not rolled up."
)
ROLL_UP_AGE = Gauge(
    "smartcity_roll_ups_oldest_seconds", "For how long the first of them could be rolled up."
)
INGEST_AGE = GaugeTable(
    "smartcity_ingest_oldest_seconds",
    "Age of the oldest measurements in the stream that are not in the database.",
    ("partition",),
)


async def run_figures(needs: Dependencies) -> None:
    """Show the figures until cancelled."""
    show_ingest()
    await asyncio.gather(
        keep_fresh("figures", partial(show_figures, needs)),
        keep_fresh("ingest", partial(show_ingest_lag, needs)),
    )


async def show_figures(needs: Dependencies) -> None:
    """Count points and incidents, and look what waits to be rolled up."""
    now = needs.clock()
    async with needs.database.read() as connection:
        points = await figures.count_points(connection, now)
        regions = {region for region, _ in points}
        incidents = await figures.count_incidents(connection, regions)
        behind = await figures.roll_ups_behind(connection, now)
    show_regions(regions)
    show_intake(regions)
    POINTS.replace(points)
    INCIDENTS.replace(incidents)
    ROLL_UP_HOURS.set(behind.hours)
    ROLL_UP_AGE.set(max(behind.oldest.total_seconds(), 0))


async def show_ingest_lag(needs: Dependencies) -> None:
    """Ask the bus which measurements have waited longest for the writer of their partition."""
    await needs.bus.first_connection()
    INGEST_AGE.replace(
        {
            (str(partition),): max([await _oldest_s(needs, form, partition) for form in FORMS])
            for partition in range(PARTITIONS)
        }
    )


async def _oldest_s(needs: Dependencies, form: Form, partition: int) -> float:
    """Return for how many seconds the first unwritten message of a form has waited."""
    jetstream = needs.bus.jetstream
    try:
        info = await jetstream.consumer_info(STREAM, form.consumer_of(partition))
        if not (info.num_pending or info.num_ack_pending):
            return 0.0
        written = info.ack_floor.stream_seq if info.ack_floor else 0
        after = (written or 0) + 1
        first = await jetstream.get_msg(STREAM, after, form.subject(partition), next=True)
    except NotFoundError:  # no writer yet, or all is written by now
        return 0.0
    return max((needs.clock() - first.time).total_seconds(), 0.0) if first.time else 0.0
