"""What a history is made of: roll-ups, and the measurements of hours not rolled up yet."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from common.postgres.database import Connection, Row

from monitoring.domain.grid import DAY, HOUR, Grid, piece_of
from monitoring.domain.history import Part
from monitoring.domain.summary import Figure
from monitoring.operations.history_question import Question
from monitoring.operations.roll_up import day_of, days_of
from monitoring.storage import roll_ups, summed
from monitoring.storage.roll_ups import Length, RollUp

Reach = tuple[datetime, datetime]


async def read_parts(connection: Connection, question: Question) -> tuple[list[Part], list[Part]]:
    """Return what the steps are made of, and what tells the intervals of the sources.

    Read in one snapshot: an hour is rolled up or marked, never neither.
    """
    reach, grid = question.span.reach, question.span.grid
    piece = piece_of(grid.step)
    if piece < HOUR:
        hours = Grid(HOUR, grid.offset)
        whole = hours.begin(reach[0]), hours.end(reach[1])
        told = await _hours(connection, replace(question, figures=()), whole)
        return await _steps(connection, question, reach), told
    parts = await (_days if piece == DAY else _hours)(connection, question, reach)
    return parts, parts


async def _steps(connection: Connection, question: Question, reach: Reach) -> list[Part]:
    step = question.span.grid.step
    rows = await summed.sum_steps(connection, question.key, reach, step, question.sources)
    return await asyncio.to_thread(_parts, (), rows, question.figures)


async def _hours(connection: Connection, question: Question, reach: Reach) -> list[Part]:
    """Return the hours: rolled up, or of measurements where something came since."""
    key, sources = question.key, question.sources
    marked = await roll_ups.marked(connection, key, *reach)
    rows = await roll_ups.read(connection, Length.HOUR, key, reach, sources)
    fresh = await summed.sum_hours(connection, marked, sources)
    rolled_up = _without(rows, {hour.start for hour in marked})
    return await asyncio.to_thread(_parts, rolled_up, fresh, question.figures)


async def _days(connection: Connection, question: Question, reach: Reach) -> list[Part]:
    """Return the days: rolled up, or of their hours where something came since."""
    key = question.key
    rows = await roll_ups.read(connection, Length.DAY, key, reach, question.sources)
    stale = {day_of(hour).start for hour in await roll_ups.marked(connection, key, *reach)}
    found = await asyncio.to_thread(_parts, _without(rows, stale), (), question.figures)
    for day in stale:
        hours = await _hours(connection, question, (day, day + DAY))
        found += [one.part for one in days_of(RollUp(key, hour) for hour in hours)]
    return found


def _without(rows: Iterable[Row], stale: set[datetime]) -> list[Row]:
    return [row for row in rows if row["start_time"] not in stale]


def _parts(
    rolled_up: Iterable[Row], measured: Iterable[Row], figures: Iterable[Figure]
) -> list[Part]:
    """Return rows as parts; called in a thread, so that other calls go on meanwhile."""
    return [
        *(roll_ups.roll_up_of(row, figures).part for row in rolled_up),
        *(summed.summed_of(row, figures).part for row in measured),
    ]
