"""The settings of notifications: what is wrong is said by the variable's name."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from common.settings import load
from monitoring.operations.dependencies import NO_KEYS
from monitoring.settings import MonitoringSettings

URL = "postgresql://monitoring@host/monitoring"


def test_networks_are_joined_by_commas_and_keys_are_not_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SMARTCITY_DATABASE_URL", URL)
    assert load(MonitoringSettings).notify_networks == ()
    monkeypatch.setenv("SMARTCITY_NOTIFY_NETWORKS", "10.1.0.0/16,fd00::/8")
    settings = load(MonitoringSettings)
    assert settings.notify_networks == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert settings.keyring() == NO_KEYS


def test_a_network_that_is_none_and_a_file_without_keys_refuse_to_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SMARTCITY_DATABASE_URL", URL)
    monkeypatch.setenv("SMARTCITY_NOTIFY_NETWORKS", "10.1.0.0/99")
    with pytest.raises(SystemExit):
        load(MonitoringSettings)
    assert "SMARTCITY_NOTIFY_NETWORKS" in capsys.readouterr().err
    monkeypatch.setenv("SMARTCITY_NOTIFY_NETWORKS", "")
    monkeypatch.setenv("SMARTCITY_CONTACT_KEYS_FILE", str(tmp_path / "none"))
    with pytest.raises(SystemExit):
        load(MonitoringSettings).keyring()
    assert "SMARTCITY_CONTACT_KEYS_FILE" in capsys.readouterr().err
