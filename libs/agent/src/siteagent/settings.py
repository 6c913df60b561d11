"""The settings file (TOML), read once; every wrong value is named, with what is allowed."""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from probes.target import DnsQuestion, HttpRequest, Kind, Target

from siteagent.buffer import Drop, Limits, Order
from siteagent.checks import Check
from siteagent.throughput import Plan, on_the_line

POINT = r"regions/\d{2}\.\d{2}/points/[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
ADDRESS = r"[A-Za-z0-9._:-]{1,253}"
URL = r"https?://[^\s/?#@]+(/\S*)?"
NAME = r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?"
RECORD_TYPES = ("A", "AAAA", "CNAME", "MX", "NS", "SOA", "TXT")
DAY_S = 86_400
GB = 1_000_000_000
PACKETS = (Kind.ICMP, Kind.STAMP, Kind.TCP)


class SettingsWrong(Exception):
    """The settings cannot be used; each sentence names a field, its value and what is allowed."""

    def __init__(self, sentences: Collection[str]) -> None:
        super().__init__("\n".join(sentences))


@dataclass(frozen=True, slots=True)
class Settings:
    """What an agent does."""

    checks: tuple[Check, ...]
    throughput: Plan | None
    buffer: Limits


def read_settings(path: Path) -> Settings:
    """Return the settings of a file.

    Raises:
        SettingsWrong: With everything that is wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsWrong([f"{path}: {error}"]) from error
    return settings_of(values)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Return the settings that TOML says.

    Raises:
        SettingsWrong: With everything that is wrong.
    """
    wrong: list[str] = []
    whole = Table(values, "", wrong)
    checks = tuple(_check(table) for table in whole.tables("check"))
    plans = [_plan(table) for table in whole.tables("throughput", single=True)]
    limits = [_limits(table) for table in whole.tables("buffer", single=True)]
    whole.end()
    if not checks and not plans and not wrong:
        wrong.append("check: there must be one, or throughput")
    if wrong:
        raise SettingsWrong(wrong)
    return Settings(checks, plans[0] if plans else None, limits[0] if limits else Limits())


class Table:
    """One table of the file; it remembers what was asked for and what is wrong."""

    def __init__(self, values: Mapping[str, Any], where: str, wrong: list[str]) -> None:
        self._values = values
        self._where = where
        self._wrong = wrong
        self._asked: set[str] = set()

    def text(self, name: str, pattern: str, default: str | None = None) -> str:
        """Return a text that has the form."""
        value = self._value(name, default)
        if isinstance(value, str) and (value == default or re.fullmatch(pattern, value, re.ASCII)):
            return value
        self._refuse(name, value, f"must have the form {pattern}")
        return ""

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """Return a number within bounds."""
        value = self._value(name, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and least <= value <= most:
            return float(value)
        self._refuse(name, value, f"must be a number from {least:g} to {most:g}")
        return least

    def choice(self, name: str, choices: Collection[str], default: str | None = None) -> str:
        """Return one of the choices."""
        value = self._value(name, default)
        if value in choices:
            return str(value)
        self._refuse(name, value, f"must be one of {', '.join(choices)}")
        return next(iter(choices))

    def tables(self, name: str, *, single: bool = False) -> "list[Table]":
        """Return the tables of a name: any number, or at most one."""
        value = self._value(name, [])
        given = name in self._values
        many = [value] if single and given else value
        if not isinstance(many, list) or not all(isinstance(one, dict) for one in many):
            self._refuse(name, value, f"must be [{name}]" if single else f"must be [[{name}]]")
            return []
        places = [name if single else f"{name}[{place}]" for place in range(len(many))]
        return [Table(one, f"{at}.", self._wrong) for one, at in zip(many, places, strict=True)]

    def end(self) -> None:
        """Refuse names that nobody asked for."""
        for name in self._values.keys() - self._asked:
            near = get_close_matches(name, self._asked, 1)
            known = ", ".join(sorted(self._asked))
            hint = f"did you mean {near[0]}?" if near else f"known: {known}"
            self._wrong.append(f"{self._where}{name}: is not known ({hint})")

    def _value(self, name: str, default: object) -> Any:
        self._asked.add(name)
        return self._values.get(name, default)

    def refuse(self, name: str, allowed: str) -> None:
        """Say what is wrong with a value."""
        self._refuse(name, self._values.get(name), allowed)

    def _refuse(self, name: str, value: object, allowed: str) -> None:
        given = "it is missing" if value is None else f"it is {value!r}"
        self._wrong.append(f"{self._where}{name}: {allowed} ({given})")


def _check(table: Table) -> Check:
    kind = Kind(table.choice("kind", [*PACKETS, *TARGETS]))
    point, interval_s = table.text("point", POINT), table.number("interval_s", 1, DAY_S, 60)
    target = TARGETS[kind](table) if kind in TARGETS else _packets(table, kind)
    table.end()
    return Check(point, target, interval_s)


def _http(table: Table) -> Target:
    timeout_s = table.number("timeout_s", 0.1, 60, 10)
    parts = urlsplit(table.text("url", URL))
    path = f"{parts.path or '/'}?{parts.query}".removesuffix("?")
    request = HttpRequest(path, tls=parts.scheme == "https")
    return Target(
        Kind.HTTP, parts.hostname or "", parts.port or 0, timeout_s=timeout_s, http=request
    )


def _dns(table: Table) -> Target:
    question = DnsQuestion(table.text("name", NAME), table.choice("record_type", RECORD_TYPES, "A"))
    return Target(
        Kind.DNS,
        table.text("address", ADDRESS),
        int(table.number("port", 1, 65_535, 53)),
        timeout_s=table.number("timeout_s", 0.1, 60, 2),
        dns=question,
    )


TARGETS: Mapping[Kind, Callable[[Table], Target]] = {Kind.HTTP: _http, Kind.DNS: _dns}
"""The kinds that ask once, each with settings of its own."""


def _packets(table: Table, kind: Kind) -> Target:
    no_port = kind is Kind.ICMP
    return Target(
        kind,
        table.text("address", ADDRESS),
        0 if no_port else int(table.number("port", 1, 65_535, 862 if kind is Kind.STAMP else None)),
        packets=int(table.number("packets", 1, 100, 5)),
        timeout_s=table.number("timeout_s", 0.1, 60, 2),
    )


def _plan(table: Table) -> Plan:
    plan = Plan(
        point=table.text("point", POINT),
        interval_s=table.number("interval_s", 60, 31 * DAY_S, DAY_S / 4),
        test_bytes=int(table.number("test_bytes", 10_000, GB, 10_000_000)),
        month_bytes=int(table.number("month_bytes", 0, 10_000 * GB)),
        download_url=table.text("download_url", URL, ""),
        upload_url=table.text("upload_url", URL, ""),
    )
    if not plan.download_url and not plan.upload_url:
        table.refuse("download_url", "must be given, or upload_url")
    if on_the_line(plan.test_bytes) > plan.month_bytes:
        table.refuse("month_bytes", "must pay for one test at least")
    table.end()
    return plan


def _limits(table: Table) -> Limits:
    limits = Limits(
        most=int(table.number("most", 1, 10_000_000, Limits().most)),
        when_full_drop=Drop(table.choice("when_full_drop", list(Drop), Drop.OLDEST)),
        send=Order(table.choice("send", list(Order), Order.NEWEST_FIRST)),
    )
    table.end()
    return limits
