from hypothesis import given
from hypothesis import strategies as st
from inventory.domain.contacts import masked_email, masked_name, masked_phone


def test_a_contact_is_recognisable_and_useless() -> None:
    assert masked_name("Budi Santoso") == "B*** S***"
    assert masked_phone("0812 345 678") == "*******678"
    assert masked_email("budi@paserkab.go.id") == "b***@paserkab.go.id"


@given(st.text("0123456789 +()-", max_size=30))
def test_at_most_three_digits_of_a_number_are_shown(phone: str) -> None:
    assert sum(sign.isdigit() for sign in masked_phone(phone)) <= 3


@given(st.text("0123456789", min_size=1, max_size=3))
def test_a_short_number_is_hidden_whole(phone: str) -> None:
    assert masked_phone(phone) == "*" * len(phone)


def test_nothing_stays_nothing() -> None:
    assert (masked_name(""), masked_phone(""), masked_email("")) == ("", "", "")
