import base64
import json
from pathlib import Path

import pytest
from common.sealing import KeyMissing, Keyring
from hypothesis import given
from hypothesis import strategies as st

KEYS = {"k1": bytes(32), "k2": bytes(range(32))}
OWNER = "regions/64.01/points/A"


@given(st.binary(), st.text())
def test_what_is_sealed_opens_for_its_owner(plain: bytes, owner: str) -> None:
    ring = Keyring("k1", KEYS)
    assert ring.open(ring.seal(plain, owner), owner) == plain


def test_what_is_sealed_opens_for_nobody_else() -> None:
    ring = Keyring("k1", KEYS)
    with pytest.raises(KeyMissing):
        ring.open(ring.seal(b"0812", OWNER), OWNER + "B")


def test_two_seals_of_one_text_differ() -> None:
    ring = Keyring("k1", KEYS)
    assert ring.seal(b"0812", OWNER) != ring.seal(b"0812", OWNER)


def test_an_old_key_still_opens_after_a_rotation() -> None:
    old = Keyring("k1", KEYS).seal(b"0812", OWNER)
    rotated = Keyring("k2", KEYS)
    assert rotated.open(old, OWNER) == b"0812"
    assert rotated.seal(b"x", OWNER)[1:3] == b"k2"


def test_an_active_key_must_be_among_the_keys(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    packed = {name: base64.b64encode(key).decode() for name, key in KEYS.items()}
    file.write_text(json.dumps({"active": "k3", "keys": packed}))
    with pytest.raises(ValueError, match="'k3' is not among the keys"):
        Keyring.read(file)
    file.write_text(json.dumps({"active": "k2", "keys": packed}))
    assert Keyring.read(file) == Keyring("k2", KEYS)
