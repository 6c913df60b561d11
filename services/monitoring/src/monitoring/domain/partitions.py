"""Which partition a point belongs to: in the stream, for the writers and for the probers."""

from zlib import crc32

PARTITIONS = 8


def partition_of(point: str) -> int:
    """Return the partition of a point's name: always the same."""
    return crc32(point.encode()) % PARTITIONS
