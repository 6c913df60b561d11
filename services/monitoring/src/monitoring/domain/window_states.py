"""The life of a maintenance window: what may be done to it in which state, and by whom."""

from datetime import datetime

from common.errors import Kind, ServiceError

ALLOWED = {
    "update": frozenset({"REQUESTED"}),
    "approve": frozenset({"REQUESTED"}),
    "reject": frozenset({"REQUESTED"}),
    "cancel": frozenset({"REQUESTED", "APPROVED"}),
}
"""The states in which each verb is."""
LEADS_TO = {"approve": "APPROVED", "reject": "REJECTED", "cancel": "CANCELLED"}
HOUR_S = 3600


class MaintenanceStateWrong(ServiceError):
    """The verb does not fit the state that the window is in."""

    kind = Kind.WRONG_STATE
    reason = "MAINTENANCE_STATE_WRONG"


class MaintenanceOver(ServiceError):
    """The last occurrence of the window is over."""

    kind = Kind.WRONG_STATE
    reason = "MAINTENANCE_OVER"


class OwnRequest(ServiceError):
    """Who requested a window cannot be the one who approves it."""

    kind = Kind.DENIED
    reason = "OWN_REQUEST"


class NotRequester(ServiceError):
    """Only who requested a window changes it."""

    kind = Kind.DENIED
    reason = "NOT_REQUESTER"


def require_state(verb: str, state: str) -> None:
    """Refuse a verb in a state that it is not for.

    Raises:
        MaintenanceStateWrong: With the state and those that it is for.
    """
    if state not in ALLOWED[verb]:
        allowed = " or ".join(sorted(ALLOWED[verb]))
        sentence = f"cannot {verb} a maintenance window that is {state}; it must be {allowed}"
        raise MaintenanceStateWrong(sentence, state=state, allowed=allowed)


def require_another(requester: str, approver: str) -> None:
    """Refuse an approval of one's own request.

    Raises:
        OwnRequest: They are the same.
    """
    if requester == approver:
        sentence = f"{requester} requested it, so {approver} cannot approve it; somebody else must"
        raise OwnRequest(sentence, requester=requester, approver=approver)


def require_requester(requester: str, caller: str) -> None:
    """Refuse changes by others than the requester.

    Raises:
        NotRequester: The caller is another.
    """
    if requester != caller:
        sentence = f"{requester} requested it, so {caller} cannot change it; cancel it instead"
        raise NotRequester(sentence, requester=requester, caller=caller)


def require_future(name: str, last_end: datetime, now: datetime) -> None:
    """Refuse what comes after the last occurrence.

    Raises:
        MaintenanceOver: It has ended.
    """
    if last_end <= now:
        end = last_end.isoformat(timespec="seconds")
        raise MaintenanceOver(f"{name} is over since {end}", resource=name, end=end)


def notice_hours(start: datetime, now: datetime) -> float:
    """Return how many hours `now` lies before the begin; 0 when after."""
    return max((start - now).total_seconds() / HOUR_S, 0.0)
