"""Which ports are given out."""

import pytest
from devstack.ports import SHARE, free_ports


def test_those_who_share_them_never_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    for part in ("0/3", "1/3", "2/3"):
        monkeypatch.setenv(SHARE, part)
        given.append(set(free_ports(500)))
    assert [len(ports) for ports in given] == [500] * 3
    assert len(set().union(*given)) == 1500


def test_none_is_given_that_is_taken_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARE, "0/6000")
    [port] = free_ports(1)
    assert free_ports(1, but=[port]) != [port]
