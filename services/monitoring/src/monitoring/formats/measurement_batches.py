"""Columns of measurements as the bytes of a message in the stream, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from smartcity.monitoring.v1.measurement_columns_pb2 import MeasurementColumns

from monitoring.domain.columns import NEVER_US, NOT_GIVEN, PACKETS, REALS, Columns, Numbers, Texts

PLACE = np.dtype("<u2")
TIME = np.dtype("<i8")
REAL = np.dtype("<f4")
KINDS: Mapping[str, np.dtype[Any]] = {
    **dict.fromkeys(PACKETS, np.dtype("<i2")),
    "success": np.dtype("i1"),
    **dict.fromkeys(REALS, REAL),
}
TEXTS = {"point": "points", "source": "sources", "method": "methods"}


def in_bytes(columns: Columns) -> bytes:
    """Return the message of at most 65,536 measurements."""
    found = MeasurementColumns(count=len(columns), time_us=columns.time_us.astype(TIME).tobytes())
    for name, many in TEXTS.items():
        texts = getattr(columns, name).compact()
        getattr(found, many).extend(texts.values)
        setattr(found, f"{name}_places", texts.of.astype(PLACE).tobytes())
    for name, column in columns.figures.items():
        absent = np.isnan(column) if name in REALS else column == NOT_GIVEN
        if not absent.all():
            setattr(found, name, column.astype(KINDS[name]).tobytes())
    if (columns.expiry_us != NEVER_US).any():
        found.expiry_us = columns.expiry_us.astype(TIME).tobytes()
    found.attempts_ms = columns.attempts.astype(REAL).tobytes()
    return found.SerializeToString()


def from_bytes(message: bytes) -> Columns:
    """Return the columns of a message.

    Raises:
        DecodeError: It is none.
    """
    packed = MeasurementColumns.FromString(message)
    try:
        return _unpacked(packed)
    except (ValueError, IndexError) as error:
        raise DecodeError(f"no columns of measurements: {error}") from error


def _unpacked(packed: MeasurementColumns) -> Columns:
    count = packed.count
    point, source, method = (_texts(packed, name) for name in TEXTS)
    figures = {
        name: _column(getattr(packed, name), kind, count, np.nan if name in REALS else NOT_GIVEN)
        for name, kind in KINDS.items()
    }
    time_us = _column(packed.time_us, TIME, count)
    expiry_us = _column(packed.expiry_us, TIME, count, NEVER_US)
    attempts = np.frombuffer(packed.attempts_ms, REAL).reshape(count, -1)
    return Columns(point, source, method, time_us, figures, expiry_us, attempts)


def _texts(packed: MeasurementColumns, name: str) -> Texts:
    values = tuple(getattr(packed, TEXTS[name]))
    places = _column(getattr(packed, f"{name}_places"), PLACE, packed.count)
    if places.max(initial=0) >= len(values):
        raise ValueError(f"{name}_places: {places.max(initial=0)} is no place in {TEXTS[name]}")
    if list(values) != sorted(set(values)):
        raise ValueError(f"{TEXTS[name]} are not sorted")
    return Texts(values, places.astype(np.int32))


def _column(
    packed: bytes, kind: "np.dtype[Any]", count: int, absent: float | None = None
) -> Numbers:
    if not packed and absent is not None:
        return np.full(count, absent, kind)
    column = np.frombuffer(packed, kind)
    if len(column) != count:
        raise ValueError(f"a column has {len(column)} entries, and there are {count} measurements")
    return column
