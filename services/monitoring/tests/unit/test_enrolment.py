"""What an agent is believed by."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.enrolment import (
    BATCH,
    CODE_BYTES,
    NOBODY,
    NOBODYS_KEY,
    Credentials,
    code_hash,
    new_code,
    proves_key,
)

NOW = datetime(2026, 11, 24, 4, tzinfo=UTC)
NAME = "regions/64.01/agents/A"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
random_bytes = st.binary(min_size=CODE_BYTES, max_size=CODE_BYTES)


@given(random_bytes)
def test_a_code_may_be_read_out_and_typed_in_other_letters(random: bytes) -> None:
    code = new_code(random)
    assert [len(group) for group in code.split("-")] == [6, 6, 6, 6]
    assert code_hash(code.lower().replace("-", " ")) == code_hash(code)


@given(random_bytes, random_bytes)
def test_codes_differ_as_their_bits_do(one: bytes, other: bytes) -> None:
    assert (code_hash(new_code(one)) == code_hash(new_code(other))) == (one == other)


@pytest.mark.parametrize(
    ("after", "code", "taken"),
    [
        (timedelta(0), "AAA", True),
        (timedelta(hours=24) - timedelta(microseconds=1), "AAA", True),
        (timedelta(hours=24), "AAA", False),
        (timedelta(0), "AAB", False),
        (timedelta(0), "", False),
    ],
)
def test_a_code_is_taken_before_its_end_only(after: timedelta, code: str, *, taken: bool) -> None:
    ends = NOW + timedelta(hours=24)
    known = Credentials("PENDING", code_hash=code_hash("AAA"), code_expires=ends)
    assert known.takes_code(code, NOW + after) == taken


@given(st.text())
def test_whoever_has_no_code_takes_none(code: str) -> None:
    assert not NOBODY.takes_code(code, NOW)


@given(st.binary(), st.binary())
def test_a_signature_is_of_one_message(message: bytes, other: bytes) -> None:
    known = Credentials("ENROLLED", public_key=PUBLIC)
    assert known.signed(message, KEY.sign(message))
    assert known.signed(other, KEY.sign(message)) == (message == other)


@given(st.binary(max_size=80))
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    assert not Credentials("ENROLLED", public_key=PUBLIC).signed(b"x", signature)


def test_without_a_key_nothing_is_signed_not_even_by_the_stand_in() -> None:
    stand_in = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert stand_in.public_key().public_bytes_raw() == NOBODYS_KEY
    assert not NOBODY.signed(b"x", stand_in.sign(b"x"))


def test_a_proof_is_for_one_name_and_code_and_is_no_batch() -> None:
    proof = KEY.sign(f"smartcity agent enrolment v1\n{NAME}\nC".encode())
    assert proves_key(PUBLIC, NAME, "C", proof)
    assert not proves_key(PUBLIC, NAME, "D", proof)
    assert not proves_key(PUBLIC, NAME + "B", "C", proof)
    assert not proves_key(bytes(32), NAME, "C", proof)
    assert not proves_key(PUBLIC, NAME, "C", KEY.sign(BATCH + f"{NAME}\nC".encode()))
