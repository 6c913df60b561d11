"""Columns as values of messages: times, enumerations, etags."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, overload

from google.protobuf.timestamp_pb2 import Timestamp

from common.postgres.database import Row


@overload
def timestamp(time: datetime) -> Timestamp: ...
@overload
def timestamp(time: None) -> None: ...
def timestamp(time: datetime | None) -> Timestamp | None:
    """Return a column's time as a message (thrice as fast as assigning the datetime)."""
    if time is None:
        return None
    return Timestamp(seconds=int(time.timestamp()), nanos=time.microsecond * 1000)


class Enumeration:
    """A proto enumeration as text: the zero value is NULL."""

    def __init__(self, wrapper: Any) -> None:
        self.numbers: dict[str, Any] = dict(wrapper.items())
        self.texts: dict[int, str] = {number: text for text, number in wrapper.items() if number}

    def text(self, number: int) -> str | None:
        """Return the value's name, None for the zero value."""
        return self.texts.get(number)

    def number(self, text: str | None) -> Any:
        """Return the number of a name, 0 for None."""
        return self.numbers[text] if text else 0

    def filter(self, numbers: Iterable[int]) -> list[str] | None:
        """Return the names to compare a column with, None when everything is asked for."""
        return [self.texts[number] for number in numbers] or None


def etag(version: int, update_time: datetime) -> str:
    """Return the tag of one version; a resource made anew under an old name has another."""
    return f'"{version}-{update_time.timestamp():.6f}"'


def present(row: Row | None) -> Row:
    """Return the row that a statement on a locked row must have returned."""
    if row is None:
        raise LookupError("the row was locked and is gone")
    return row
