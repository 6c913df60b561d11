"""The methods for how measurements were."""

from collections.abc import AsyncIterator

from common.names import last_id
from common.rpc.downloads import disposition, pieces
from common.rpc.interceptor import Context
from google.api.httpbody_pb2 import HttpBody
from smartcity.monitoring.v1 import measurement_history_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.export_measurements import MEDIA_TYPE, export_measurements, file_name
from monitoring.operations.query_measurements import export_history, query_measurements


class MeasurementHistoryMethods:
    """Answers about the measurements of a point."""

    needs: Dependencies

    async def QueryMeasurements(
        self, request: measurement_history_pb2.QueryMeasurementsRequest, _: Context
    ) -> measurement_history_pb2.QueryMeasurementsResponse:
        """Return a point's measurements in equal steps."""
        return await query_measurements(self.needs, request)

    async def ExportMeasurementHistory(
        self, request: measurement_history_pb2.QueryMeasurementsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Export a point's measurements in equal steps as a file."""
        file = await export_history(self.needs, request)
        name = f"history-{last_id(request.parent)}.csv"
        await context.send_initial_metadata([disposition(name)])
        for piece in pieces(file):
            yield HttpBody(content_type=MEDIA_TYPE, data=piece)

    async def ExportMeasurements(
        self, request: measurement_history_pb2.ExportMeasurementsRequest, context: Context
    ) -> AsyncIterator[HttpBody]:
        """Export a point's measurements as a file."""
        await context.send_initial_metadata([disposition(file_name(request))])
        async for part in export_measurements(self.needs, request):
            yield HttpBody(content_type=MEDIA_TYPE, data=part)
