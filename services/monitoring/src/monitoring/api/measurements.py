"""The methods for measurements."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from common.rpc.interceptor import Context
from google.protobuf.empty_pb2 import Empty
from smartcity.monitoring.v1 import measurement_pb2, measurement_transfer_pb2

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.import_measurements import import_measurements
from monitoring.operations.remote_write_measurements import remote_write_measurements
from monitoring.operations.report_measurements import report_measurements
from monitoring.operations.stream_measurements import stream_measurements


class MeasurementMethods:
    """Takes measurements."""

    needs: Dependencies

    async def ReportMeasurements(
        self, request: measurement_pb2.ReportMeasurementsRequest, _: Context
    ) -> measurement_pb2.ReportMeasurementsResponse:
        """Take measurements."""
        return await report_measurements(self.needs, request)

    async def StreamMeasurements(
        self, requests: AsyncIterator[measurement_pb2.ReportMeasurementsRequest], _: Context
    ) -> AsyncIterator[measurement_pb2.StreamMeasurementsResponse]:
        """Take measurements for as long as some are sent."""
        async with aclosing(stream_measurements(self.needs, requests)) as answers:
            async for answer in answers:
                yield answer

    async def RemoteWriteMeasurements(
        self, request: measurement_transfer_pb2.RemoteWriteMeasurementsRequest, _: Context
    ) -> Empty:
        """Take samples as Prometheus sends them."""
        await remote_write_measurements(self.needs, request)
        return Empty()

    async def ImportMeasurements(
        self, request: measurement_transfer_pb2.ImportMeasurementsRequest, _: Context
    ) -> measurement_transfer_pb2.ImportMeasurementsResponse:
        """Import measurements from a file."""
        return await import_measurements(self.needs, request)
