"""The key is the agent's alone, and one code makes one key."""

from pathlib import Path

import pytest
from siteagent.keys import Identity, WrongIdentity, enrolled, load_identity, pending_key

IDENTITY = Identity("https://smartcity.example", "regions/64.01/agents/A")


def test_one_code_makes_one_key_that_nobody_else_may_read(tmp_path: Path) -> None:
    key, pending = pending_key(tmp_path, "AAA")
    again, _ = pending_key(tmp_path, "AAA")
    other, _ = pending_key(tmp_path, "BBB")
    assert pending.stat().st_mode & 0o777 == 0o600
    assert again.private_bytes_raw() == key.private_bytes_raw() != other.private_bytes_raw()
    enrolled(tmp_path, IDENTITY, pending)
    identity, kept = load_identity(tmp_path)
    assert (identity, kept.private_bytes_raw()) == (IDENTITY, key.private_bytes_raw())


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    _, pending = pending_key(tmp_path, "AAA")
    enrolled(tmp_path, IDENTITY, pending)
    (tmp_path / "key.pem").chmod(0o640)
    with pytest.raises(WrongIdentity, match="must be 0600"):
        load_identity(tmp_path)


def test_a_folder_without_an_agent_is_told(tmp_path: Path) -> None:
    with pytest.raises(WrongIdentity, match="holds no enrolled agent"):
        load_identity(tmp_path)


@pytest.mark.parametrize(
    ("server", "agent", "said"),
    [
        ("http://smartcity.example", IDENTITY.agent, ["url"]),
        ("https://", IDENTITY.agent, ["url"]),
        ("http://127.0.0.1:8080", IDENTITY.agent, []),
        ("smartcity.example", "agents/A", ["url", "agent"]),
    ],
)
def test_a_code_goes_over_tls_or_stays_on_the_machine(
    server: str, agent: str, said: list[str]
) -> None:
    assert [wrong.partition(":")[0] for wrong in Identity(server, agent).wrong()] == said
