"""Requesting a maintenance window, and changing the request."""

from functools import partial

from common.caller import current_caller
from common.masks import changeable_fields
from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate
from smartcity.monitoring.v1 import maintenance_window_pb2
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow

from monitoring.operations.check_maintenance import check_change, check_window
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.storage import maintenance_windows as windows


async def request_maintenance(
    needs: Dependencies, request: maintenance_window_pb2.CreateMaintenanceWindowRequest
) -> MaintenanceWindow:
    """Store a request; nothing is in force before somebody approves it."""

    async def act(connection: Connection) -> MaintenanceWindow:
        draft = request.maintenance_window
        _clear_what_is_ours(draft)
        window_id = request.maintenance_window_id or needs.new_id()
        draft.name = f"{request.parent}/maintenanceWindows/{window_id}"
        draft.state, draft.requester = MaintenanceWindow.REQUESTED, current_caller().subject
        check = partial(check_window, needs.clock())
        return await MUTATIONS.create(connection, windows, request, draft, check)

    region = region_of(request.parent)
    return await mutate(needs.database, request, region, MaintenanceWindow, act)


async def change_request(
    needs: Dependencies, request: maintenance_window_pb2.UpdateMaintenanceWindowRequest
) -> MaintenanceWindow:
    """Change the masked fields of a request that nobody has decided about.

    Raises:
        MaintenanceStateWrong: It was decided about.
        NotRequester: The caller did not request it.
    """

    async def act(connection: Connection) -> MaintenanceWindow:
        check = partial(check_change, needs.clock())
        return await MUTATIONS.update(connection, windows, request, "maintenance_window", check)

    region = region_of(request.maintenance_window.name)
    return await mutate(needs.database, request, region, MaintenanceWindow, act)


def _clear_what_is_ours(draft: MaintenanceWindow) -> None:
    """Forget what the caller wrote into fields that only we write."""
    changeable = changeable_fields(draft.DESCRIPTOR)
    for field, _ in draft.ListFields():
        if field.name not in changeable:
            draft.ClearField(field.name)  # type: ignore[arg-type]
