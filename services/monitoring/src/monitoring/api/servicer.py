"""The servicer of `MonitoringService`: the methods of every resource together."""

import grpc
from common.rpc.changes import list_changes
from common.rpc.interceptor import Context
from common.rpc.server import Published
from smartcity.monitoring.v1 import change_pb2, monitoring_service_pb2, monitoring_service_pb2_grpc

from monitoring.api.agents import AgentMethods
from monitoring.api.attachments import AttachmentMethods
from monitoring.api.checks import CheckMethods
from monitoring.api.incidents import IncidentMethods
from monitoring.api.maintenance_windows import MaintenanceWindowMethods
from monitoring.api.measurement_history import MeasurementHistoryMethods
from monitoring.api.measurements import MeasurementMethods
from monitoring.api.notifications import NotificationMethods
from monitoring.api.statuses import StatusMethods
from monitoring.operations.dependencies import Dependencies

SERVICE = monitoring_service_pb2.DESCRIPTOR.services_by_name["MonitoringService"].full_name
CHECKED_BY_OPERATION = frozenset(
    {
        "CreateAgent",
        "UpdateAgent",
        "CreateCheck",
        "UpdateCheck",
        "CreateMaintenanceWindow",
        "UpdateMaintenanceWindow",
        "CreateNotificationRoute",
        "UpdateNotificationRoute",
        "UploadAttachment",
    }
)
"""Their operations check the proto's rules themselves, together with their own."""
READ_BY_OPERATION = frozenset({"ReportMeasurements", "StreamMeasurements"})
"""They tell of each measurement what is wrong with it, also with its texts."""
ENDLESS = frozenset({"StreamMeasurements", "WatchStatuses"})


class MonitoringServicer(
    IncidentMethods,
    AttachmentMethods,
    CheckMethods,
    AgentMethods,
    MeasurementMethods,
    MeasurementHistoryMethods,
    StatusMethods,
    MaintenanceWindowMethods,
    NotificationMethods,
    monitoring_service_pb2_grpc.MonitoringServiceServicer,
):
    """Answers every call of monitoring."""

    def __init__(self, needs: Dependencies) -> None:
        self.needs = needs

    async def ListChanges(
        self, request: change_pb2.ListChangesRequest, _: Context
    ) -> change_pb2.ListChangesResponse:
        """List the history of a resource."""
        return await list_changes(self.needs.database, request, change_pb2.ListChangesResponse)


def published(needs: Dependencies) -> Published:
    """Return the service as the server takes it."""
    servicer = MonitoringServicer(needs)

    def add(server: grpc.aio.Server) -> None:
        monitoring_service_pb2_grpc.add_MonitoringServiceServicer_to_server(servicer, server)

    return Published(SERVICE, add, CHECKED_BY_OPERATION, ENDLESS, READ_BY_OPERATION)
