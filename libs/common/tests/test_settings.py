from pathlib import Path

import pytest
from common.setting_kinds import read_secret
from common.settings import Address, ServiceSettings, load


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
