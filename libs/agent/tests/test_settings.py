"""What the settings file may say."""

from pathlib import Path
from typing import Any

import pytest
from probes.target import DnsQuestion, Kind
from siteagent.buffer import Drop, Limits, Order
from siteagent.settings import SettingsWrong, read_settings, settings_of

POINT = "regions/64.01/points/PSR-0042"
PING = {"kind": "ICMP", "point": POINT, "address": "203.0.113.1"}
WEB = {"kind": "HTTP", "point": POINT, "url": "https://sekolah.example/a?b=1", "interval_s": 300}
NAMES = {"kind": "DNS", "point": POINT, "address": "203.0.113.53", "name": "paserkab.go.id"}
TESTS = {"point": POINT, "download_url": "http://x.example/10MB", "month_bytes": 10**9}


def wrong(values: dict[str, Any]) -> list[str]:
    with pytest.raises(SettingsWrong) as refusal:
        settings_of(values)
    return str(refusal.value).splitlines()


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "siteagent.toml"
    path.write_text(
        f"""
        [[check]]
        kind = "ICMP"
        point = "{POINT}"
        address = "203.0.113.1"
        packets = 10

        [throughput]
        point = "{POINT}"
        upload_url = "https://x.example/up"
        month_bytes = 2_000_000_000

        [buffer]
        most = 5000
        when_full_drop = "newest"
        send = "oldest-first"
        """
    )
    found = read_settings(path)
    assert found.checks[0].target.packets == 10
    assert found.throughput is not None
    assert found.throughput.month_bytes == 2_000_000_000
    assert found.buffer == Limits(5000, Drop.NEWEST, Order.OLDEST_FIRST)


def test_a_url_becomes_what_is_probed() -> None:
    target = settings_of({"check": [WEB]}).checks[0].target
    assert (target.kind, target.address, target.port_used) == (Kind.HTTP, "sekolah.example", 443)
    assert (target.http.path, target.http.tls) == ("/a?b=1", True)


def test_a_question_to_a_name_server_is_a_check() -> None:
    target = settings_of({"check": [NAMES | {"record_type": "MX"}]}).checks[0].target
    assert (target.kind, target.address, target.port_used) == (Kind.DNS, "203.0.113.53", 53)
    assert target.dns == DnsQuestion("paserkab.go.id", "MX")
    said = wrong({"check": [NAMES | {"name": "no name", "record_type": "PTR", "packets": 3}]})
    assert sorted(sentence.partition(":")[0] for sentence in said) == [
        "check[0].name",
        "check[0].packets",
        "check[0].record_type",
    ]


def test_every_wrong_value_is_named_with_what_is_allowed() -> None:
    said = wrong(
        {
            "check": [
                PING | {"interval_s": 0, "packets": "many", "point": "PSR-0042"},
                WEB | {"url": "ftp://x", "intervall_s": 5},
                {"kind": "TCP", "point": POINT, "address": "a b"},
            ],
            "buffer": {"most": True, "when_full_drop": "both"},
            "throughput": {"point": POINT, "month_bytes": 10},
        }
    )
    assert sorted(sentence.partition(":")[0] for sentence in said) == [
        "buffer.most",
        "buffer.when_full_drop",
        "check[0].interval_s",
        "check[0].packets",
        "check[0].point",
        "check[1].intervall_s",
        "check[1].url",
        "check[2].address",
        "check[2].port",
        "throughput.download_url",
        "throughput.month_bytes",
    ]
    assert "check[1].intervall_s: is not known (did you mean interval_s?)" in said
    assert "check[0].interval_s: must be a number from 1 to 86400 (it is 0)" in said


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "check: there must be one, or throughput"),
        ({"check": 3}, "check: must be [[check]] (it is 3)"),
        ({"check": [PING], "throughput": [TESTS, TESTS]}, "throughput: must be [throughput]"),
        ({"checks": [PING]}, "checks: is not known (did you mean check?)"),
    ],
)
def test_what_is_no_settings_is_told(values: dict[str, Any], said: str) -> None:
    assert any(sentence.startswith(said) for sentence in wrong(values))


def test_a_file_that_is_missing_or_no_toml_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("check = [")
    for path in (broken, tmp_path / "none.toml"):
        with pytest.raises(SettingsWrong) as refusal:
            read_settings(path)
        assert str(path) in str(refusal.value)
