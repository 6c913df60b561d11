"""Columns as message fields: resource names, days, objects."""

from datetime import date
from typing import Any, cast

import asyncpg
import orjson
from common.postgres.database import Row
from google.type import date_pb2


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
