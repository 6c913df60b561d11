import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventory.domain.point_states import TRANSITIONS, PointStateWrong, next_state

STATES = ("PLANNED", "ACTIVE", "SUSPENDED", "RETIRED")
LIFE = {
    ("PLANNED", "activate"): "ACTIVE",
    ("ACTIVE", "suspend"): "SUSPENDED",
    ("SUSPENDED", "resume"): "ACTIVE",
    ("PLANNED", "retire"): "RETIRED",
    ("ACTIVE", "retire"): "RETIRED",
    ("SUSPENDED", "retire"): "RETIRED",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", TRANSITIONS)
def test_a_verb_leads_where_the_contract_says_or_is_refused(verb: str, state: str) -> None:
    if (state, verb) in LIFE:
        assert next_state(verb, state) == LIFE[state, verb]
    else:
        with pytest.raises(PointStateWrong) as refusal:
            next_state(verb, state)
        assert refusal.value.metadata["state"] == state


@given(st.lists(st.sampled_from(sorted(TRANSITIONS)), max_size=20))
def test_a_retired_point_stays_retired(verbs: list[str]) -> None:
    state, was_retired = "PLANNED", False
    for verb in verbs:
        try:
            state = next_state(verb, state)
        except PointStateWrong:
            continue
        assert not was_retired
        was_retired = state == "RETIRED"
