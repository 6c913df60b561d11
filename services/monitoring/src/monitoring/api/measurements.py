"""The methods for measurements."""

from common.rpc.interceptor import Context
from smartcity.monitoring.v1 import measurement_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.report_measurements import report_measurements


class MeasurementMethods:
    """Takes measurements."""

    needs: Dependencies

    async def ReportMeasurements(
        self, request: measurement_pb2.ReportMeasurementsRequest, _: Context
    ) -> measurement_pb2.ReportMeasurementsResponse:
        """Take measurements."""
        return await report_measurements(self.needs, request)
