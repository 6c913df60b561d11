"""Columns as values of messages."""

from datetime import datetime
from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


@overload
def timestamp(time: datetime) -> Timestamp: ...
@overload
def timestamp(time: None) -> None: ...
def timestamp(time: datetime | None) -> Timestamp | None:
    """Return a column's time as a message (thrice as fast as assigning the datetime)."""
    if time is None:
        return None
    return Timestamp(seconds=int(time.timestamp()), nanos=time.microsecond * 1000)
