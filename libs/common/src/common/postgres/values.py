"""Columns as message fields: enumerations, resource names, etags, figures, times."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, cast, overload

import asyncpg
import orjson
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2

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


def region_name(code: str) -> str:
    """Return `regions/{code}`."""
    return f"regions/{code}"


def to_date(day: date | None) -> date_pb2.Date | None:
    """Return a column's day as a message."""
    return date_pb2.Date(year=day.year, month=day.month, day=day.day) if day else None


def from_date(message: date_pb2.Date) -> date:
    """Return a whole date.

    Raises:
        ValueError: A part is missing or there is no such day.
    """
    return date(message.year, message.month, message.day)


def json_column(row: Row, column: str) -> dict[str, Any]:
    """Return a jsonb column that holds an object."""
    text: str = row[column]
    return {} if text == "{}" else cast("dict[str, Any]", orjson.loads(text))


def broken_constraint(error: asyncpg.IntegrityConstraintViolationError) -> str:
    """Return the name of the constraint that a statement broke."""
    return str(error.constraint_name)
