"""Approving, rejecting and cancelling maintenance windows."""

from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from common.caller import current_caller
from common.names import region_of
from common.postgres.database import Connection
from common.postgres.mutations import mutate, read_for_change
from common.postgres.values import timestamp
from smartcity.monitoring.v1.maintenance_window_pb2 import (
    ApproveMaintenanceWindowRequest,
    CancelMaintenanceWindowRequest,
    MaintenanceWindow,
    RejectMaintenanceWindowRequest,
)

from monitoring.domain.window_states import (
    LEADS_TO,
    notice_hours,
    require_another,
    require_future,
    require_state,
)
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.publish import MUTATIONS
from monitoring.operations.turn_maintenance import LEAD
from monitoring.storage import maintenance_occurrences as occurrences
from monitoring.storage import maintenance_spans as spans
from monitoring.storage import maintenance_windows as windows

Decision: TypeAlias = (
    ApproveMaintenanceWindowRequest
    | RejectMaintenanceWindowRequest
    | CancelMaintenanceWindowRequest
)
VERBS = {
    ApproveMaintenanceWindowRequest: "approve",
    RejectMaintenanceWindowRequest: "reject",
    CancelMaintenanceWindowRequest: "cancel",
}


async def decide_maintenance(needs: Dependencies, request: Decision) -> MaintenanceWindow:
    """Approve, reject or cancel a window, as the kind of request says.

    Raises:
        MaintenanceStateWrong: It does not fit the state that the window is in.
        OwnRequest: The caller approves what they requested.
        MaintenanceOver: Its last occurrence is over.
    """
    act = partial(_decide, request, needs.clock())
    region = region_of(request.name)
    return await mutate(needs.database, request, region, MaintenanceWindow, act)


async def _decide(request: Decision, now: datetime, connection: Connection) -> MaintenanceWindow:
    verb = VERBS[type(request)]
    before = await read_for_change(connection, windows, request.name, request.etag)
    after = _decided(before, request, now)
    if before.state == MaintenanceWindow.APPROVED:
        await _call_off(connection, before.name, now)
    stored = await windows.decide(connection, after)
    if stored.state == MaintenanceWindow.APPROVED:
        await _put_in_force(connection, stored.name, now)
    await MUTATIONS.publish(connection, request, verb, before=before, after=stored)
    return stored


def _decided(before: MaintenanceWindow, request: Decision, now: datetime) -> MaintenanceWindow:
    """Return the window after the decision, unless it may not be made."""
    verb, caller = VERBS[type(request)], current_caller().subject
    require_state(verb, MaintenanceWindow.State.Name(before.state))
    after = MaintenanceWindow()
    after.CopyFrom(before)
    after.state = MaintenanceWindow.State.Value(LEADS_TO[verb])
    if isinstance(request, ApproveMaintenanceWindowRequest):
        require_another(before.requester, caller)
        after.approval_notice_hours = notice_hours(before.start_time.ToDatetime(UTC), now)
    else:
        after.explanation = request.explanation
    if MaintenanceWindow.APPROVED in (before.state, after.state):
        require_future(before.name, before.last_end_time.ToDatetime(UTC), now)
    if verb == "cancel":
        after.canceller = caller
        after.cancel_time.CopyFrom(timestamp(now))
    else:
        after.decider = caller
        after.decide_time.CopyFrom(timestamp(now))
    return after


async def _put_in_force(connection: Connection, name: str, now: datetime) -> None:
    """Let a window take effect at once: who reads a status after the commit sees it."""
    await occurrences.plan(connection, name, now)
    at_hand = await occurrences.of_window_at_hand(connection, name, now + LEAD)
    if at_hand:
        await spans.spread(connection, at_hand, now)
    await occurrences.tell(connection)


async def _call_off(connection: Connection, name: str, now: datetime) -> None:
    """Let a window have no effect from now on; what it has covered stays covered."""
    await occurrences.call_off(connection, name, now)
    await spans.call_off(connection, name, now)
    await occurrences.tell(connection)
