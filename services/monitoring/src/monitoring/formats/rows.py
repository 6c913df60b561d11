"""Rows of other measurers' files as measurements, with everything that is wrong with each."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.tables.table import SHOWN, Line
from smartcity.monitoring.v1 import measurement_transfer_pb2
from smartcity.monitoring.v1.measurement_pb2 import Measurement
from smartcity.monitoring.v1.measurement_transfer_pb2 import ImportMeasurementsResponse

from monitoring.formats.columns import (
    EXTERNAL_IDS,
    GIGA_DAILY_CHECK,
    MLAB_NDT,
    Columns,
    Figure,
)

RowError = ImportMeasurementsResponse.RowError
DIRECTIONS = {"download": "download_mbps", "upload": "upload_mbps"}
MARK_DIGITS = 12
NO_TIME = ""


@dataclass(slots=True)
class Row:
    """One row of a file, what it measured, and what is wrong with it."""

    number: int
    cells: Mapping[str, str]
    """By known column; those that the file lacks are missing."""
    measurement: Measurement = field(default_factory=Measurement)
    errors: list[RowError] = field(default_factory=list)

    @property
    def schools(self) -> dict[str, str]:
        """What the row says about its school, by the key of a point's external ids."""
        given = {key: self.cells.get(column, "") for column, key in EXTERNAL_IDS.items()}
        return {key: value for key, value in given.items() if value}

    def refuse(self, column: str, reason: str, sentence: str) -> None:
        """Note what is wrong with a cell, or with the whole row when no column is named."""
        value = self.cells.get(column, "")[:SHOWN]
        error = RowError(
            row=self.number, column=column, value=value, reason=reason, message=sentence
        )
        self.errors.append(error)


@dataclass(frozen=True, slots=True)
class Form:
    """How the files of one measurer are read."""

    columns: Columns
    complete: Callable[[Row], None]
    """Sets source and method, and what a figure means that depends on other cells."""

    def read(self, line: Line, places: Mapping[str, int]) -> Row:
        """Return a row with its measurement; its point is not known yet."""
        cells = {
            name: line.cells[place].strip() if place < len(line.cells) else ""
            for name, place in places.items()
        }
        row = Row(line.number, cells)
        if line.extra:
            row.refuse("", "CELLS_TOO_MANY", f"more cells than the header has: {line.extra!r}")
            return row
        _set_time(row, self.columns.time)
        for figure in self.columns.figures:
            if figure.field:
                set_figure(row, figure, figure.field)
        self.complete(row)
        if not row.schools:
            needed = " or ".join(EXTERNAL_IDS)
            row.refuse("", "SCHOOL_MISSING", f"must say which school it is: {needed}")
        return row


def set_figure(row: Row, figure: Figure, name: str) -> None:
    """Set the measurement's field `name` to what the figure's cell holds, if it holds anything."""
    text = row.cells.get(figure.column, "")
    if not text:
        return
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= figure.most:  # NaN is neither
        sentence = f"must be a number of {figure.unit} from 0 to {figure.most:,.0f}, such as 12.5"
        row.refuse(figure.column, "FIGURE_INVALID", sentence)
    else:
        setattr(row.measurement, name, value / figure.divisor)


def _set_time(row: Row, column: str) -> None:
    text = row.cells[column].removesuffix(" UTC")
    try:
        time = datetime.fromisoformat(text if ":" in text else NO_TIME)  # a day alone is none
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        row.measurement.time.FromDatetime(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        sentence = "must be a time such as 2026-11-24T08:15:00+08:00; without an offset it is UTC"
        row.refuse(column, "TIME_INVALID", sentence)


def _complete_giga(row: Row) -> None:
    """Tell devices of a school apart without keeping what names them elsewhere."""
    measurement, device = row.measurement, row.cells.get("browserId", "")
    mark = hashlib.sha256(device.encode()).hexdigest()[:MARK_DIGITS] if device else "school"
    measurement.source = f"giga-{mark}"
    measurement.method = "giga_daily_check"
    if not any(row.cells.get(figure.column) for figure in GIGA_DAILY_CHECK.figures):
        row.refuse("", "NOTHING_MEASURED", "must hold download, upload or latency")


def _complete_mlab(row: Row) -> None:
    direction = row.cells["Direction"].casefold()
    if direction not in DIRECTIONS:
        row.refuse("Direction", "DIRECTION_INVALID", "must be Download or Upload")
        return
    row.measurement.source = f"ndt-{direction}"
    row.measurement.method = "ndt7"
    throughput = MLAB_NDT.figures[0]
    if not row.cells[throughput.column]:
        row.refuse(throughput.column, "NOTHING_MEASURED", "must be a number of Mbit/s")
    set_figure(row, throughput, DIRECTIONS[direction])


FORMS: Mapping[int, Form] = {
    measurement_transfer_pb2.GIGA_DAILY_CHECK: Form(GIGA_DAILY_CHECK, _complete_giga),
    measurement_transfer_pb2.MLAB_NDT: Form(MLAB_NDT, _complete_mlab),
}
