"""The life of a point: PLANNED → ACTIVE ⇄ SUSPENDED → RETIRED."""

from typing import NamedTuple

from common.errors import Kind, ServiceError


class PointStateWrong(ServiceError):
    """The verb does not fit the state that the point is in."""

    kind = Kind.WRONG_STATE
    reason = "POINT_STATE_WRONG"


class Transition(NamedTuple):
    """What a verb needs and what it leads to."""

    allowed: frozenset[str]
    leads_to: str


TRANSITIONS = {
    "activate": Transition(frozenset({"PLANNED"}), "ACTIVE"),
    "suspend": Transition(frozenset({"ACTIVE"}), "SUSPENDED"),
    "resume": Transition(frozenset({"SUSPENDED"}), "ACTIVE"),
    "retire": Transition(frozenset({"PLANNED", "ACTIVE", "SUSPENDED"}), "RETIRED"),
}


def next_state(verb: str, state: str) -> str:
    """Return the state after `verb`.

    Raises:
        PointStateWrong: The verb is not allowed in `state`.
    """
    transition = TRANSITIONS[verb]
    if state in transition.allowed:
        return transition.leads_to
    allowed = " or ".join(sorted(transition.allowed))
    raise PointStateWrong(
        f"cannot {verb} a point that is {state}; it must be {allowed}", state=state, allowed=allowed
    )
