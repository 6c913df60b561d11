"""The servicer of `MonitoringService`: the methods of every resource together."""

import grpc
from common.rpc.server import Published
from smartcity.monitoring.v1 import monitoring_service_pb2, monitoring_service_pb2_grpc

from monitoring.api.agents import AgentMethods
from monitoring.api.measurements import MeasurementMethods
from monitoring.api.statuses import StatusMethods
from monitoring.operations.dependencies import Dependencies

SERVICE = monitoring_service_pb2.DESCRIPTOR.services_by_name["MonitoringService"].full_name
CHECKED_BY_OPERATION = frozenset({"CreateAgent", "ReportMeasurements", "UpdateAgent"})
"""Their operations check the proto's rules themselves, together with their own."""
ENDLESS = frozenset({"WatchStatuses"})


class MonitoringServicer(
    AgentMethods,
    MeasurementMethods,
    StatusMethods,
    monitoring_service_pb2_grpc.MonitoringServiceServicer,
):
    """Answers every call of monitoring."""

    def __init__(self, needs: Dependencies) -> None:
        self.needs = needs


def published(needs: Dependencies) -> Published:
    """Return the service as the server takes it."""
    servicer = MonitoringServicer(needs)

    def add(server: grpc.aio.Server) -> None:
        monitoring_service_pb2_grpc.add_MonitoringServiceServicer_to_server(servicer, server)

    return Published(SERVICE, add, CHECKED_BY_OPERATION, ENDLESS)
