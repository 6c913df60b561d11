"""The columns of other measurers' files: which are read, in which units, which must be there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from common.errors import FieldsInvalid, Violation
from common.tables.table import Table
from rapidfuzz import fuzz, process

SCHOOL, GIGA_SCHOOL = "school_id", "giga_id_school"
EXTERNAL_IDS = {SCHOOL: "npsn", GIGA_SCHOOL: "giga"}
"""The columns that say which school, and the key of a point's external ids that holds the same."""
ALIKE = 70


class ColumnsMissing(FieldsInvalid):
    """The header lacks columns that are needed."""

    reason = "COLUMNS_MISSING"


@dataclass(frozen=True, slots=True)
class Figure:
    """A column with a number: the measurement's field, and how many of its unit are one of it."""

    column: str
    field: str
    unit: str
    most: float
    divisor: float = 1.0


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file of one measurer is made of. Names are compared without regard to case."""

    time: str
    figures: Sequence[Figure]
    required: Sequence[Sequence[str]]
    """Of each group one must be there."""
    others: Sequence[str] = ()
    prefixes: Sequence[str] = ()
    """What may stand before a name: how a nested field is flattened."""

    @property
    def known(self) -> tuple[str, ...]:
        """Every column that is read."""
        figures = (figure.column for figure in self.figures)
        return (self.time, *figures, *self.others, *EXTERNAL_IDS)


KBIT_PER_MBIT = 1000.0
ALL_SCHOOLS = tuple(EXTERNAL_IDS)
GIGA_DAILY_CHECK = Columns(
    time="timestamp",
    figures=(
        Figure("download", "download_mbps", "kbit/s", 1e9, KBIT_PER_MBIT),
        Figure("upload", "upload_mbps", "kbit/s", 1e9, KBIT_PER_MBIT),
        Figure("latency", "rtt_mean_ms", "ms", 6e5),
    ),
    required=(("timestamp",), ALL_SCHOOLS, ("download", "upload", "latency")),
    others=("browserId",),
)
MLAB_NDT = Columns(
    time="TestTime",
    figures=(
        Figure("MeanThroughputMbps", "", "Mbit/s", 1e6),
        Figure("MinRTT", "rtt_min_ms", "ms", 6e5),
    ),
    required=(("TestTime",), ("Direction",), ("MeanThroughputMbps",), ALL_SCHOOLS),
    others=("Direction",),
    prefixes=("a.", "a_"),
)


def places_of(table: Table, columns: Columns) -> Mapping[str, int]:
    """Return where in a row each known column stands.

    Raises:
        ColumnsMissing: Needed ones are missing or stand there twice.
    """
    meant = [_meant(heading, columns) for heading in table.headings]
    places = {name: place for place, name in enumerate(meant) if name}
    wrong = [
        _missing(group, table.headings)
        for group in columns.required
        if not any(name in places for name in group)
    ]
    twice = sorted({name for name in meant if name and meant.count(name) > 1})
    wrong += [Violation(name, "stands in the header twice", "COLUMN_TWICE") for name in twice]
    if wrong:
        raise ColumnsMissing(wrong)
    return places


def _meant(heading: str, columns: Columns) -> str:
    """Return the known column that a heading is, "" when it is none."""
    spelled = heading.casefold()
    for prefix in columns.prefixes:
        spelled = spelled.removeprefix(prefix)
    return next((name for name in columns.known if name.casefold() == spelled), "")


def _missing(group: Sequence[str], headings: Sequence[str]) -> Violation:
    named = " or ".join(group)
    best = process.extractOne(group[0], headings, scorer=fuzz.ratio, score_cutoff=ALIKE)
    hint = f"; is it {best[0][:100]!r}?" if best else ""
    return Violation(group[0], f"is missing: the header must have {named}{hint}", "COLUMN_MISSING")
