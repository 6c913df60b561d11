"""Taking measurements for as long as somebody sends some, each request acknowledged in its turn.

Some requests are on their way to the stream at once; when that many are, no other is read, so that
whoever is too fast is held back by gRPC itself.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from smartcity.monitoring.v1.measurement_pb2 import (
    ReportMeasurementsRequest,
    ReportMeasurementsResponse,
    StreamMeasurementsResponse,
)

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.report_measurements import report_measurements

IN_FLIGHT = 4
Report = asyncio.Task[ReportMeasurementsResponse]
Reports = asyncio.Queue[Report | None]
"""In the order of their requests; None when no other comes."""


async def stream_measurements(
    needs: Dependencies, requests: AsyncIterator[ReportMeasurementsRequest]
) -> AsyncGenerator[StreamMeasurementsResponse, None]:
    """Yield an acknowledgement for each request, in order, when what it accepts is stored.

    Raises:
        FieldsInvalid: The request after the last acknowledged one is none.
        BusAway: That one was not taken, nor any after it; sent again, none is doubled.
    """
    reports, slots = Reports(), asyncio.Semaphore(IN_FLIGHT)
    reading = asyncio.create_task(_read(needs, requests, reports, slots))
    reading.add_done_callback(lambda _: reports.put_nowait(None))
    index, report = 0, None
    try:
        while report := await reports.get():
            answer = await report
            yield StreamMeasurementsResponse(
                index=index, accepted_count=answer.accepted_count, rejections=answer.rejections
            )
            slots.release()
            index += 1
        await reading
    finally:
        await _end(reading, reports, report)


async def _read(
    needs: Dependencies,
    requests: AsyncIterator[ReportMeasurementsRequest],
    reports: Reports,
    slots: asyncio.Semaphore,
) -> None:
    await slots.acquire()
    async for request in requests:
        reports.put_nowait(asyncio.create_task(report_measurements(needs, request)))
        await slots.acquire()


async def _end(reading: asyncio.Task[None], reports: Reports, last: Report | None) -> None:
    """Cancel what nobody waits for any more, and see it end."""
    waiting = [last, *(reports.get_nowait() for _ in range(reports.qsize()))]
    tasks = [reading, *(report for report in waiting if report is not None)]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
