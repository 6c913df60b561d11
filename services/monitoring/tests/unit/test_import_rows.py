"""Rows of other measurers' files, made by hand for these tests: no real school is in them."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from common.tables.csv_text import read_csv
from common.tables.table import FileRefused, Line
from monitoring.formats.columns import ColumnsMissing, places_of
from monitoring.formats.rows import FORMS, Row
from smartcity.monitoring.v1.measurement_transfer_pb2 import GIGA_DAILY_CHECK, MLAB_NDT

GIGA = {
    "timestamp": "2026-11-24T12:00:00+08:00",
    "school_id": "30400001",
    "browserId": "b-1",
    "download": "12500",
    "upload": "2500",
    "latency": "35",
    "country_code": "ID",
}
NDT = {
    "id": "x",
    "a.TestTime": "2026-11-24 04:00:00.5 UTC",
    "a.Direction": "Download",
    "a.MeanThroughputMbps": "12.5",
    "a.MinRTT": "35.5",
    "a.LossRate": "0.01",
    "giga_id_school": "g-1",
}
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)


def read(format_: int, cells: Mapping[str, str]) -> Row:
    form = FORMS[format_]
    text = ",".join(cells) + "\n" + ",".join(cells.values())
    table = read_csv(text.encode())
    return form.read(table.lines[0], places_of(table, form.columns))


def wrong(format_: int, cells: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(error.column, error.reason) for error in read(format_, cells).errors]


def test_a_daily_check_counts_in_kilobits() -> None:
    row = read(GIGA_DAILY_CHECK, GIGA)
    measurement = row.measurement
    assert row.errors == []
    assert (measurement.download_mbps, measurement.upload_mbps) == (12.5, 2.5)
    assert measurement.rtt_mean_ms == 35
    assert measurement.time.ToDatetime(UTC) == NOON
    assert row.schools == {"npsn": "30400001"}
    assert "b-1" not in measurement.source


def test_devices_of_a_school_are_told_apart() -> None:
    sources = [read(GIGA_DAILY_CHECK, GIGA | {"browserId": f"b-{n}"}) for n in (1, 1, 2)]
    first, again, other = (row.measurement.source for row in sources)
    assert first == again != other


def test_a_test_of_m_lab_counts_in_megabits_and_its_direction() -> None:
    measurement = read(MLAB_NDT, NDT).measurement
    assert measurement.download_mbps == 12.5
    assert not measurement.HasField("upload_mbps")
    assert not measurement.HasField("rtt_mean_ms")
    assert (measurement.rtt_min_ms, measurement.source) == (35.5, "ndt-download")
    assert measurement.time.ToDatetime(UTC) == NOON.replace(microsecond=500_000)
    up = read(MLAB_NDT, NDT | {"a.Direction": "Upload"}).measurement
    assert (up.upload_mbps, up.source) == (12.5, "ndt-upload")


def test_flattened_names_are_known_in_every_spelling() -> None:
    for spelled in (str.casefold, str.upper, lambda name: name.replace("a.", "a_")):
        cells = {spelled(name): value for name, value in NDT.items()}
        assert read(MLAB_NDT, cells).errors == []


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"timestamp": "yesterday"}, "timestamp", "TIME_INVALID"),
        ({"timestamp": "2026-11-24"}, "timestamp", "TIME_INVALID"),
        ({"timestamp": ""}, "timestamp", "TIME_INVALID"),
        ({"timestamp": "0001-01-01T00:00+08:00"}, "timestamp", "TIME_INVALID"),
        ({"download": "fast"}, "download", "FIGURE_INVALID"),
        ({"download": "-1"}, "download", "FIGURE_INVALID"),
        ({"upload": "nan"}, "upload", "FIGURE_INVALID"),
        ({"latency": "inf"}, "latency", "FIGURE_INVALID"),
        ({"latency": "600001"}, "latency", "FIGURE_INVALID"),
        ({"download": "", "upload": "", "latency": ""}, "", "NOTHING_MEASURED"),
        ({"school_id": ""}, "", "SCHOOL_MISSING"),
    ],
)
def test_a_wrong_cell_is_told_with_its_column(
    change: dict[str, str], column: str, reason: str
) -> None:
    assert wrong(GIGA_DAILY_CHECK, GIGA | change) == [(column, reason)]


def test_every_wrong_cell_of_a_row_is_told_with_its_value_and_what_is_allowed() -> None:
    row = read(GIGA_DAILY_CHECK, GIGA | {"download": "x" * 200, "timestamp": "?", "latency": "-1"})
    assert [error.column for error in row.errors] == ["timestamp", "download", "latency"]
    assert {error.row for error in row.errors} == {2}
    assert row.errors[1].value == "x" * 100
    assert "kbit/s from 0 to 1,000,000,000" in row.errors[1].message


def test_a_row_without_anything_says_all_that_is_missing() -> None:
    assert wrong(GIGA_DAILY_CHECK, dict.fromkeys(GIGA, "") | {"country_code": "ID"}) == [
        ("timestamp", "TIME_INVALID"),
        ("", "NOTHING_MEASURED"),
        ("", "SCHOOL_MISSING"),
    ]


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"a.Direction": "sideways"}, "Direction", "DIRECTION_INVALID"),
        ({"a.MeanThroughputMbps": ""}, "MeanThroughputMbps", "NOTHING_MEASURED"),
        ({"a.MeanThroughputMbps": "1e7"}, "MeanThroughputMbps", "FIGURE_INVALID"),
        ({"a.TestTime": "x"}, "TestTime", "TIME_INVALID"),
    ],
)
def test_a_wrong_cell_of_a_test_is_told(change: dict[str, str], column: str, reason: str) -> None:
    assert wrong(MLAB_NDT, NDT | change) == [(column, reason)]


def test_a_cell_beyond_the_header_is_told_and_a_missing_one_is_empty() -> None:
    form = FORMS[GIGA_DAILY_CHECK]
    table = read_csv((",".join(GIGA) + "\n" + ",".join(GIGA.values())).encode())
    places = places_of(table, form.columns)
    (line,) = table.lines
    extra = form.read(Line(2, line.cells, "9"), places)
    assert [error.reason for error in extra.errors] == ["CELLS_TOO_MANY"]
    short = form.read(Line(2, line.cells[:4]), places)
    assert short.errors == []
    assert not short.measurement.HasField("upload_mbps")


def test_columns_that_are_needed_are_all_named_with_the_nearest() -> None:
    table = read_csv(b"timestmp,downloads,x\n1,2,3")
    with pytest.raises(ColumnsMissing) as refused:
        places_of(table, FORMS[GIGA_DAILY_CHECK].columns)
    said = {violation.field: violation.message for violation in refused.value.violations}
    assert list(said) == ["timestamp", "school_id", "download"]
    assert "'timestmp'" in said["timestamp"]
    assert "school_id or giga_id_school" in said["school_id"]


def test_a_column_that_stands_there_twice_is_refused() -> None:
    table = read_csv(b"a.TestTime,TestTime,Direction,MeanThroughputMbps,school_id\n1,2,3,4,5")
    with pytest.raises(ColumnsMissing, match="TestTime: stands in the header twice"):
        places_of(table, FORMS[MLAB_NDT].columns)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(FileRefused, match="empty"):
        read_csv(b" \n")
