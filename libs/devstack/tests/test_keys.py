"""Secrets are made once, for a database that is new, and never in place of lost ones."""

import json
from pathlib import Path

import pytest
from devstack.errors import KeysGone
from devstack.keys import client_secret, contact_keys_file, make_contact_keys, signing_key


def test_keys_of_contacts_are_made_once_with_ids_of_their_own(tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        make_contact_keys(tmp_path / name)
        file = contact_keys_file(tmp_path / name)
        made.append(json.loads(file.read_text()))
        make_contact_keys(tmp_path / name)
        assert json.loads(file.read_text()) == made[-1]
        assert file.stat().st_mode & 0o777 == 0o600
    assert made[0]["active"] != made[1]["active"]


def test_lost_keys_are_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(KeysGone, match=r"contact_keys\.json is gone"):
        contact_keys_file(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_issuer_s_key_and_secret_are_kept(tmp_path: Path) -> None:
    assert signing_key(tmp_path).kid == signing_key(tmp_path).kid
    assert client_secret(tmp_path) == client_secret(tmp_path)
