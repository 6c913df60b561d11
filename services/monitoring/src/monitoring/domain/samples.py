"""Samples of Prometheus as measurements: which series say what of a point is data (metrics.toml).

A scrape may come in two requests, and what comes second of one measurement is taken for its
duplicate. So a part that says nothing of the line is left out, as is what is half known.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isnan
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

FILE = Path(__file__).with_name("metrics.toml")
NAME = "__name__"
DECIDING = {"success", "packets_sent", "rtt_mean_ms"}
"""Figures of which one must be there: they say whether the line does as it should."""
PACKETS = ("packets_sent", "packets_received")
NO_SOURCE = "prometheus"
LONGEST_SOURCE = 63
ODD = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Series:
    """A series: its labels, and values by their time in milliseconds since 1970."""

    labels: Mapping[str, str]
    samples: Sequence[tuple[int, float]]


class Key(NamedTuple):
    """What a measurement is known by."""

    point_id: str
    source: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Metric:
    """What one metric says, as `metrics.toml` has it."""

    name: str
    field: str
    factor: float = 1.0
    method: str = ""
    label: str = ""
    parts: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement: its figures by the names of Measurement's fields."""

    key: Key
    method: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Mapped:
    """All of `metrics.toml`."""

    point_label: str
    source_labels: Sequence[str]
    metrics: Mapping[str, Metric]


@cache
def mapping() -> Mapped:
    """Return how series are read."""
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))
    metrics = (one | {"parts": tuple(one.get("parts", ("",)))} for one in read["metrics"])
    by_name = {one["name"]: Metric(**one) for one in metrics}
    return Mapped(read["point_label"], tuple(read["source_labels"]), by_name)


def measured(series: Iterable[Series]) -> list[Measured]:
    """Return the measurements in some series, in the order in which they begin.

    Series of other metrics or without a point are left aside, as are values that are NaN: that
    marks the end of a series, or a figure that could not be taken.
    """
    found: dict[Key, dict[str, dict[str, float]]] = {}
    for one in series:
        for metric, part, key, value in _readings(one):
            found.setdefault(key, {}).setdefault(metric.name, {})[part] = value
    joined = (_joined(key, parts) for key, parts in found.items())
    return [one for one in joined if DECIDING & one.figures.keys()]


def target_of(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the ids of the point and of who measures it; None for a series of no point."""
    point_id = labels.get(mapping().point_label, "")
    return (point_id, source_of(labels)) if point_id else None


def source_of(labels: Mapping[str, str]) -> str:
    """Return the id of who measured, of the letters that such an id may have."""
    given = (labels.get(name) for name in mapping().source_labels)
    whole = "_".join(text for text in given if text)
    plain = ODD.sub("-", whole).lstrip("._-") or NO_SOURCE
    if len(plain) <= LONGEST_SOURCE:
        return plain
    mark = f"-{crc32(whole.encode()):08x}"
    return plain[: LONGEST_SOURCE - len(mark)] + mark


def _readings(series: Series) -> Iterator[tuple[Metric, str, Key, float]]:
    labels = series.labels
    metric, target = mapping().metrics.get(labels.get(NAME, "")), target_of(labels)
    if metric is None or target is None:
        return
    part = labels.get(metric.label, "") if metric.label else ""
    if part not in metric.parts:
        return
    for time_ms, value in series.samples:
        if not isnan(value):
            yield metric, part, Key(*target, time_ms), value


def _joined(key: Key, parts: Mapping[str, Mapping[str, float]]) -> Measured:
    """Return one measurement, whatever order its parts came in."""
    given = [metric for metric in mapping().metrics.values() if metric.name in parts]
    figures = {}
    for metric in given:
        values = parts[metric.name]
        value = sum(values[part] for part in metric.parts if part in values) * metric.factor
        # A time of nothing is what exporters tell when they could not take it.
        if len(values) == len(metric.parts) and (value or not metric.field.endswith("_ms")):
            figures[metric.field] = value
    if not all(name in figures for name in PACKETS):
        figures = {name: value for name, value in figures.items() if name not in PACKETS}
    method = next((metric.method for metric in given if metric.method), NO_SOURCE)
    return Measured(key, method, figures)
