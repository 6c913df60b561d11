"""Measurements out of messages into columns, with a mark at those that rules may refuse.

The limits and patterns are those that the proto declares. What is marked is not wrong yet:
protovalidate says so, and why. What is not marked is right for certain.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import numpy as np
from buf.validate import validate_pb2
from common.validation import CONTROL
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from monitoring.domain.columns import (
    NEVER_US,
    NO_ANSWER,
    NOT_GIVEN,
    PACKETS,
    REALS,
    Columns,
    Numbers,
    Texts,
)

Mask = NDArray[np.bool_]
TEXTS = ("point", "source", "method")
NUMBERS = (*PACKETS, "success", *REALS)
FIELDS = (*TEXTS, "time", *NUMBERS)
GIVEN = attrgetter(*FIELDS)
OF_LINE = ("packets_sent", "success")
MEASURED = ("rtt_mean_ms", "http_ms", "dns_ms", "download_mbps", "upload_mbps")
"""One of these or of OF_LINE must be given."""
EARLIEST_S, LATEST_S = -62_135_596_800, 253_402_300_799
"""The begin of the year 1 and the end of 9999: what a Timestamp may hold."""
NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """Measurements as columns, and which of them the proto's rules may refuse."""

    columns: Columns
    doubtful: Mask


def read(measurements: Sequence[Measurement]) -> Reading:
    """Return measurements as columns."""
    turned = zip(*map(GIVEN, measurements), strict=True) if measurements else [()] * len(FIELDS)
    given = dict(zip(FIELDS, turned, strict=True))
    texts = {name: Texts.of_rows(given[name]) for name in TEXTS}
    time_us, no_time = _times(given["time"])
    zeros = np.flatnonzero(time_us == 0).tolist()
    no_time[[row for row in zeros if not measurements[row].HasField("time")]] = True
    numbers = {name: _numbers(measurements, name, given[name]) for name in NUMBERS}
    figures = {name: column for name, (column, _) in numbers.items()}
    expiry_us, no_expiry = _expiries(measurements)
    attempts, no_attempts = _attempts(measurements, figures["packets_sent"])
    doubts = [no_time, no_expiry, no_attempts, *(odd for _, odd in numbers.values())]
    doubts += [~texts[name].where(_allows(name)) for name in TEXTS]
    doubts += [figures["packets_received"] > figures["packets_sent"], ~_says_something(figures)]
    columns = Columns(
        texts["point"], texts["source"], texts["method"], time_us, figures, expiry_us, attempts
    )
    return Reading(columns, np.logical_or.reduce(doubts))


def _times(times: Sequence[Timestamp]) -> tuple[Numbers, Mask]:
    whole = np.array([time.seconds for time in times], np.int64)
    rest = np.array([time.nanos for time in times], np.int64)
    odd = (whole < EARLIEST_S) | (whole > LATEST_S) | (rest < 0) | (rest >= NANOS)
    return np.where(odd, 0, whole) * 1_000_000 + rest // 1000, odd


def _numbers(measurements: Sequence[Any], name: str, given: Sequence[Any]) -> tuple[Numbers, Mask]:
    """Return a column of numbers, and which of them are not within their limits.

    What is not 0 was given; whether a 0 was is asked one by one. A real number outside of its
    limits stays what it is.
    """
    column = np.array(given, np.float64)
    zeros = np.flatnonzero(column == 0).tolist()
    absent = [row for row in zeros if not measurements[row].HasField(name)]
    least, most = _limits(name)
    odd = ~((column >= least) & (column <= most))
    if name in REALS:
        with np.errstate(over="ignore"):
            kept = column.astype(np.float32)
        kept[absent] = np.nan
    else:
        kept = np.where(odd, NOT_GIVEN, column).astype(np.int16 if name in PACKETS else np.int8)
        kept[absent] = NOT_GIVEN
    odd[absent] = False
    return kept, odd


@cache
def _limits(name: str) -> tuple[float, float]:
    rules = Measurement.DESCRIPTOR.fields_by_name[name].GetOptions().Extensions[validate_pb2.field]
    if name in PACKETS:
        return rules.int32.gte, rules.int32.lte
    return (rules.double.gte, rules.double.lte) if name in REALS else (0, 1)


@cache
def _allows(name: str) -> Callable[[str], bool]:
    """Return what tells whether a text is one of those that the field may hold."""
    rules = Measurement.DESCRIPTOR.fields_by_name[name].GetOptions().Extensions[validate_pb2.field]
    if rules.string.pattern:
        pattern = re.compile(rules.string.pattern, re.ASCII)
        return lambda text: bool(pattern.fullmatch(text))
    most = rules.string.max_len
    return lambda text: len(text) <= most and not CONTROL.search(text)


def _says_something(figures: dict[str, Numbers]) -> Mask:
    line = [figures[name] != NOT_GIVEN for name in OF_LINE]
    measured = [~np.isnan(figures[name]) for name in MEASURED]
    found: Mask = np.logical_or.reduce(line + measured)
    return found


def _expiries(measurements: Sequence[Measurement]) -> tuple[Numbers, Mask]:
    column = np.full(len(measurements), NEVER_US, np.int64)
    odd = np.zeros(len(measurements), np.bool_)
    given = [n for n, one in enumerate(measurements) if one.HasField("certificate_expiry_time")]
    if given:
        times = [measurements[row].certificate_expiry_time for row in given]
        column[given], odd[given] = _times(times)
    return column, odd


def _attempts(measurements: Sequence[Measurement], sent: Numbers) -> tuple[Numbers, Mask]:
    given = [one.attempts_ms for one in measurements]
    counts = np.fromiter(map(len, given), np.int64, len(given))
    odd = (counts > 0) & (counts != sent)
    column = np.full((len(given), int(counts[~odd].max(initial=0))), np.nan, np.float32)
    for row in np.flatnonzero((counts > 0) & ~odd).tolist():
        column[row, : counts[row]] = list(given[row])
    rules = Measurement.DESCRIPTOR.fields_by_name["attempts_ms"].GetOptions()
    most = rules.Extensions[validate_pb2.field].repeated
    within = (column >= 0) & (column <= most.items.double.lte)
    filling = np.arange(column.shape[1]) >= counts[:, None]
    odd |= counts > most.max_items
    odd |= ~(within | (column == NO_ANSWER) | filling).all(axis=1)
    return column, odd
