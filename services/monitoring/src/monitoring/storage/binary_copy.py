"""Columns as the bytes of `COPY … (FORMAT binary)`, without an object for any of their values.

Every field of a record is a slot as wide as the widest in its column needs, in a matrix with a row
for each record; a mask says which bytes of a slot are really there, and what the mask leaves of the
matrix, row after row, is what PostgreSQL reads.
Source: https://www.postgresql.org/docs/18/sql-copy.html, "Binary Format".
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = -1
LENGTH = np.dtype(">i4")
FLOAT4 = 700
"""The oid of the elements of a `real[]`."""


class Slots(NamedTuple):
    """A column's bytes, a row for each record, and which of them are there."""

    data: Bytes
    used: Mask


def records(fields: Sequence[Slots]) -> bytes:
    """Return records of these fields, as they stand between HEADER and TRAILER."""
    count = len(fields[0].data)
    width = np.full(count, len(fields), ">i2").view(np.uint8).reshape(count, 2)
    data = np.concatenate([width, *(field.data for field in fields)], axis=1)
    used = np.concatenate([np.ones((count, 2), np.bool_), *(f.used for f in fields)], axis=1)
    packed: bytes = data[used].tobytes()
    return packed


def numbers(column: "np.ndarray[tuple[int], np.dtype[np.generic]]", null: Mask) -> Slots:
    """Return the field of numbers that are in the order of bytes of the network."""
    size = column.dtype.itemsize
    data = np.empty((len(column), LENGTH.itemsize + size), np.uint8)
    data[:, : LENGTH.itemsize] = _lengths(np.where(null, NULL, size))
    data[:, LENGTH.itemsize :] = column.view(np.uint8).reshape(len(column), size)
    used = np.ones(data.shape, np.bool_)
    used[:, LENGTH.itemsize :] = ~null[:, None]
    return Slots(data, used)


def texts(values: Sequence[str], of: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> Slots:
    """Return the field of texts, of which each record has the one at its place."""
    encoded = [value.encode() for value in values]
    lengths = np.array([len(value) for value in encoded], np.int64)
    widest = int(lengths.max(initial=0))
    padded = b"".join(value.ljust(widest, b"\0") for value in encoded)
    table = np.frombuffer(padded, np.uint8).reshape(len(encoded), widest)
    data = np.concatenate([_lengths(lengths), table], axis=1)
    return Slots(data[of], (np.arange(data.shape[1]) < LENGTH.itemsize + lengths[:, None])[of])


def real_arrays(rows: "NDArray[np.float32]", null: float) -> Slots:
    """Return the field of `real[]`: a row up to its first NaN, NULL without any; `null` is NULL."""
    counts = (~np.isnan(rows)).sum(axis=1)
    elements = rows.astype(">f4")
    missing = elements == null
    sizes = np.where(missing, NULL, elements.itemsize)
    each = np.concatenate(
        [_lengths(sizes), elements.view(np.uint8).reshape(*rows.shape, elements.itemsize)], axis=2
    )
    used: Mask = np.ones(each.shape, np.bool_)
    used[:, :, LENGTH.itemsize :] = ~missing[:, :, None]
    used &= (np.arange(rows.shape[1]) < counts[:, None])[:, :, None]
    used = used.reshape(len(rows), -1)
    head = _array_heads(counts, missing.any(axis=1))
    some = np.broadcast_to((counts > 0)[:, None], (len(rows), head.shape[1]))
    size = np.where(counts > 0, head.shape[1] + used.sum(axis=1), NULL)
    data = [_lengths(size), head, each.reshape(len(rows), -1)]
    length = np.ones((len(rows), LENGTH.itemsize), np.bool_)
    return Slots(np.concatenate(data, axis=1), np.concatenate([length, some, used], axis=1))


def _array_heads(counts: NDArray[np.int64], has_null: Mask) -> Bytes:
    """Return dimensions, whether some element is NULL, the elements' type, length, lower bound."""
    one = np.ones(len(counts), np.int64)
    return _lengths(np.stack([one, has_null, one * FLOAT4, counts, one], axis=1)).reshape(
        len(counts), -1
    )


def _lengths(lengths: "NDArray[np.int64]") -> Bytes:
    packed = np.ascontiguousarray(lengths).astype(LENGTH)
    return packed.view(np.uint8).reshape(*lengths.shape, LENGTH.itemsize)
