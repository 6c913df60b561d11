"""The life of a device: IN_STOCK ⇄ INSTALLED → RETIRED, also IN_STOCK → RETIRED."""

from common.errors import Kind, ServiceError

ALLOWED = {
    "install": frozenset({"IN_STOCK"}),
    "remove": frozenset({"INSTALLED"}),
    "retire": frozenset({"IN_STOCK", "INSTALLED"}),
}


class DeviceStateWrong(ServiceError):
    """The verb does not fit the state that the device is in."""

    kind = Kind.WRONG_STATE
    reason = "DEVICE_STATE_WRONG"


def require(verb: str, state: str) -> None:
    """Refuse a verb that does not fit.

    Raises:
        DeviceStateWrong: The verb is not allowed in `state`.
    """
    if state not in ALLOWED[verb]:
        allowed = " or ".join(sorted(ALLOWED[verb]))
        raise DeviceStateWrong(
            f"cannot {verb} a device that is {state}; it must be {allowed}",
            state=state,
            allowed=allowed,
        )
