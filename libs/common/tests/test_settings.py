from pathlib import Path

import pytest
from common.setting_kinds import read_secret, without_secrets
from common.settings import Address, DatabaseSettings, ServiceSettings, load
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from devstack.authority import Authority
from pydantic import model_validator


class StoringSettings(ServiceSettings, DatabaseSettings):
    """Those of a process with a database."""


class Settings(ServiceSettings):
    database_url: str
    upstream: Address = "127.0.0.1:1"


def test_the_environment_is_read_once_and_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTCITY_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("SMARTCITY_DRAIN_S", "2.5")
    settings = load(Settings)
    assert (settings.database_url, settings.drain_s) == ("postgresql://x", 2.5)
    with pytest.raises(ValueError, match="frozen"):
        settings.drain_s = 3


def test_every_wrong_variable_is_named_before_the_exit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SMARTCITY_DATABASE_URL", raising=False)
    monkeypatch.setenv("SMARTCITY_UPSTREAM", "nowhere:99999")
    monkeypatch.setenv("SMARTCITY_DRAIN_S", "soon")
    with pytest.raises(SystemExit) as ended:
        load(Settings)
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert [line.split()[2] for line in lines] == [
        "SMARTCITY_DRAIN_S:",
        "SMARTCITY_DATABASE_URL:",
        "SMARTCITY_UPSTREAM:",
    ]
    assert "(it is 'nowhere:99999')" in lines[2]


def test_a_secret_is_its_file_without_the_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush \n")
    assert read_secret(file) == "hush"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://inventory:hush@db:5432/inventory", "postgresql://...@db:5432/inventory"),
        ("postgresql://u:hu@sh@db/x?password=hush", "postgresql://...@db/x"),
        ("nats://hush@a:4222,nats://u:hush@b:4222", "nats://...@a:4222,nats://...@b:4222"),
        ("postgresql://db/x?password=hush", "postgresql://db/x"),
        ("u:hush@db", "...@db"),
        ("nowhere:99999", "nowhere:99999"),
        ({"database_url": "postgresql://u:hush@db/x"}, ""),
        (12, "12"),
    ],
)
def test_what_is_shown_of_a_setting_holds_no_secret(value: object, shown: str) -> None:
    assert without_secrets(value) == shown


class Guarded(ServiceSettings):
    upstream: Address = "127.0.0.1:1"
    names: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _never(self) -> "Guarded":
        if self.nats_url.startswith("tls"):
            raise ValueError("these do not go together")
        return self


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMARTCITY_UPSTREAM", "postgresql://u:hush@db"),
        ("SMARTCITY_NATS_URL", "tls://hush@bus"),
        ("SMARTCITY_NATS_SEED_FILE", "SUAhush"),
        ("SMARTCITY_NATS_SEED_FILE", "SUAhush/" * 100),
        ("SMARTCITY_TLS_FOLDER", "hush"),
        ("SMARTCITY_NAMES", "hush"),
    ],
)
def test_a_wrong_setting_is_named_without_what_is_secret_in_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(Guarded)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("wrong setting: ")
    assert "hush" not in said


def test_a_path_that_is_there_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SMARTCITY_TLS_FOLDER", str(tmp_path))
    with pytest.raises(SystemExit):
        load(ServiceSettings)
    assert capsys.readouterr().err == (
        "wrong setting: SMARTCITY_TLS_FOLDER: Value error, cannot be used: "
        f"No such file or directory (it is '{tmp_path}')\n"
    )


def test_an_encrypted_key_and_an_empty_secret_refuse_to_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder, secret = Authority().issue(tmp_path / "tls"), tmp_path / "secret"
    key = load_pem_private_key((folder / "tls.key").read_bytes(), None)
    sealed = BestAvailableEncryption(b"hush")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed)
    (folder / "tls.key").write_bytes(pem)
    secret.write_text("\n")
    monkeypatch.setenv("SMARTCITY_DATABASE_URL", "postgresql://x")
    monkeypatch.setenv("SMARTCITY_DATABASE_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("SMARTCITY_TLS_FOLDER", str(folder))
    with pytest.raises(SystemExit):
        load(StoringSettings)
    said = capsys.readouterr().err
    assert f"cannot be used: it is empty (it is '{secret}')" in said
    assert f"tls.key is encrypted, or of a kind that is not known (it is '{folder}')" in said
