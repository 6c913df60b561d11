"""What an installation says about probing."""

import pytest
from monitoring.settings import MonitoringSettings, ProberSettings
from probes.target import Kind
from smartcity.monitoring.v1.check_pb2 import Check

URL = "postgresql://monitoring@host/monitoring"


def test_the_default_check_is_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTCITY_DEFAULT_CHECK", '{"kind": "TCP", "port": 443, "packets": 3}')
    draft = MonitoringSettings(database_url=URL).default_check.draft()
    assert (draft.kind, draft.port, draft.packets, draft.interval_s) == (Check.TCP, 443, 3, 60)


@pytest.mark.parametrize(
    "wrong",
    ['{"kind": "TCP"}', '{"port": 7}', '{"interval_s": 1}', '{"packet": 3}', '{"kind": "DNS"}'],
)
def test_a_default_check_that_no_check_may_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("SMARTCITY_DEFAULT_CHECK", wrong)
    with pytest.raises(ValueError, match="default_check"):
        MonitoringSettings(database_url=URL)


def test_anchors_are_addresses_with_or_without_a_way_to_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ProberSettings(database_url=URL).probe_anchors == ()
    monkeypatch.setenv("SMARTCITY_PROBE_ANCHORS", "9.9.9.9, tcp://one.one.one.one:53,[2001:db8::1]")
    found = [
        (one.kind, one.address, one.port) for one in ProberSettings(database_url=URL).probe_anchors
    ]
    assert found == [
        (Kind.ICMP, "9.9.9.9", 0),
        (Kind.TCP, "one.one.one.one", 53),
        (Kind.ICMP, "2001:db8::1", 0),
    ]


@pytest.mark.parametrize("wrong", ["ftp://a:1", "tcp://a", "icmp://", "tcp://a:99999"])
def test_an_anchor_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("SMARTCITY_PROBE_ANCHORS", wrong)
    with pytest.raises(ValueError, match="probe_anchors"):
        ProberSettings(database_url=URL)
