import base64
from datetime import datetime

import pytest
from common.postgres.pages import Page, PageTokenInvalid, Part
from hypothesis import given
from hypothesis import strategies as st
from smartcity.inventory.v1.point_pb2 import ListPointsRequest


def request(**more: object) -> ListPointsRequest:
    return ListPointsRequest(parent="regions/64.01", **more)  # type: ignore[arg-type]


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=3)
)
def test_a_token_brings_its_key_back_whatever_the_page_size(key: list[str]) -> None:
    token = Page(request(page_size=7)).token(*key)
    again = Page(request(page_size=9, page_token=token), key=(str,) * len(key))
    assert again.after == key


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_token_with_one_wrong_byte_is_refused(place: int, change: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(Page(request()).token("PSR-1")))
    raw[place % len(raw)] ^= change
    token = base64.urlsafe_b64encode(raw).decode()
    with pytest.raises(PageTokenInvalid):
        Page(request(page_token=token))


@pytest.mark.parametrize("token", ["x", "é", "AAAA", "====", "a" * 5000])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        Page(request(page_token=token))


def test_a_forged_token_of_another_form_is_refused() -> None:
    forged = Page(request()).token("not a number")
    with pytest.raises(PageTokenInvalid):
        Page(request(page_token=forged), key=(int,))
    with pytest.raises(PageTokenInvalid):
        Page(request(page_token=forged), key=(str, str))


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (str, "PSR\0"),
        (int, "9" * 30),
        (datetime.fromisoformat, "2026-11-26T08:00:00"),
    ],
)
def test_a_forged_token_of_what_no_row_can_hold_is_refused(part: Part, text: str) -> None:
    forged = Page(request()).token(text)
    with pytest.raises(PageTokenInvalid):
        Page(request(page_token=forged), key=(part,))


def test_a_token_of_other_filters_is_refused() -> None:
    token = Page(request(query="a")).token("PSR-1")
    with pytest.raises(PageTokenInvalid):
        Page(request(query="b", page_token=token))


@pytest.mark.parametrize(("wanted", "size"), [(0, 50), (7, 7), (1000, 1000), (10**9, 1000)])
def test_sizes_have_a_default_and_a_cap(wanted: int, size: int) -> None:
    assert Page(request(page_size=wanted)).size == size


@pytest.mark.parametrize(("wanted", "size"), [(0, 50), (7, 7), (1000, 1000), (1001, 1000)])
def test_a_page_has_as_many_rows_as_are_wanted_up_to_a_thousand(wanted: int, size: int) -> None:
    assert Page(request(page_size=wanted)).size == size


def test_a_list_may_allow_more_rows_of_a_page() -> None:
    assert Page(request(page_size=20_000), most=10_000).size == 10_000
