"""Files of other measurers, made by hand for these tests: no real school is in them."""

from datetime import timedelta

import grpc
import pytest
from common.events.event import event_of
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from google.api.httpbody_pb2 import HttpBody
from monitoring.events.points import keep_point
from monitoring.operations import import_measurements
from monitoring.testing import NOON, REGION, Monitoring
from smartcity.inventory.v1.events_pb2 import PointUpdated
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1.measurement_transfer_pb2 import (
    GIGA_DAILY_CHECK,
    MLAB_NDT,
    ImportMeasurementsRequest,
    ImportMeasurementsResponse,
)

GIGA_HEADER = "timestamp,school_id,giga_id_school,browserId,download,upload,latency\n"
NDT_HEADER = "TestTime,Direction,MeanThroughputMbps,MinRTT,school_id\n"
SCHOOLS = """
UPDATE points
   SET external_ids = jsonb_build_object('npsn', '3040000' || substr(point_id, 3),
                                         'giga', 'g-' || substr(point_id, 3))
 WHERE length(point_id) = 3
"""
TWINS = """
UPDATE points
   SET external_ids = '{"npsn": "999"}'
 WHERE point_id IN ('P-10', 'P-11')
"""


@pytest.fixture
async def schools(monitoring: Monitoring) -> Monitoring:
    async with monitoring.database.transaction() as connection:
        await connection.execute(SCHOOLS)
        await connection.execute(TWINS)
    return monitoring


async def imported(
    monitoring: Monitoring,
    text: str,
    format_: int = GIGA_DAILY_CHECK,
    *,
    dry_run: bool = False,
    region: str = REGION,
) -> ImportMeasurementsResponse:
    request = ImportMeasurementsRequest(
        parent=region,
        file=HttpBody(data=text.encode()),
        format=format_,  # type: ignore[arg-type]
        validate_only=dry_run,
    )
    return await monitoring.stub.ImportMeasurements(request)


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


async def comes_to(monitoring: Monitoring, count: int) -> bool:
    async def so() -> bool:
        return await monitoring.stored() == count

    return await until(so, within_s=30)


async def test_daily_checks_become_measurements_of_their_schools_once(schools: Monitoring) -> None:
    schools.write()
    rows = [
        f"{at(-60)},30400001,,b-1,12500,2500,35",
        f"{at(-60)},,g-2,b-2,800,,",
        f"{at(-30)},30400001,g-1,b-1,,,40",
        f"{at(-60)},30400001,,b-9,1,1,1",
    ]
    text = GIGA_HEADER + "\n".join(rows)
    for _ in range(2):
        report = await imported(schools, text)
        assert (report.row_count, report.accepted_count, report.rejected_count) == (4, 4, 0)
        assert report.committed
    assert await comes_to(schools, 4)
    async with schools.database.read() as connection:
        found = await connection.fetch(
            "SELECT point_id, download_mbps, upload_mbps, rtt_mean_ms, method FROM measurements"
            " ORDER BY point_id, measure_time, download_mbps DESC"
        )
    assert tuple(found[0]) == ("P-1", 12.5, 2.5, 35.0, "giga_daily_check")
    assert found[-1]["point_id"] == "P-2"


async def test_the_external_ids_of_a_point_follow_its_events(monitoring: Monitoring) -> None:
    async def told(number: int, **external_ids: str) -> None:
        point = Point(name=f"{REGION}/points/P-1", kind=Point.SCHOOL, external_ids=external_ids)
        event = event_of(PointUpdated(point=point), point.name).numbered(number)
        async with monitoring.database.transaction() as connection:
            await keep_point(connection, event)

    text = GIGA_HEADER + f"{at(-60)},30400777,,b-1,1,1,1"
    assert (await imported(monitoring, text)).rejected_count == 1
    await told(2, npsn="30400777")
    assert (await imported(monitoring, text)).accepted_count == 1
    await told(3, npsn="30400778")
    assert (await imported(monitoring, text)).rejected_count == 1
    await told(2, npsn="30400777")  # an old one that comes again
    assert (await imported(monitoring, text)).rejected_count == 1


async def test_tests_of_m_lab_become_measurements(schools: Monitoring) -> None:
    schools.write()
    rows = [f"{at(-60)},Download,12.5,35,30400001", f"{at(-50)},Upload,3.5,35,30400001"]
    assert (await imported(schools, NDT_HEADER + "\n".join(rows), MLAB_NDT)).accepted_count == 2
    assert await comes_to(schools, 2)


async def test_wrong_rows_are_told_in_order_and_the_others_kept(
    schools: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_measurements, "BLOCK_ROWS", 3)
    schools.write()
    rows = [
        f"{at(-60)},30400001,,b,1,1,1",
        f"{at(-60)},12345678,,b,1,1,1",
        f"{at(600)},30400001,,b,1,1,1",
        f"{at(-40 * 86400)},30400001,,b,1,1,1",
        f"{at(-60)},999,,b,1,1,1",
        f"{at(-60)},30400001,g-2,b,1,1,1",
        "never,,,b,x,1,1",
        f"{at(-60)},30400002,,b,1,1,1",
    ]
    text = GIGA_HEADER + "\n".join(rows)
    dry = await imported(schools, text, dry_run=True)
    report = await imported(schools, text)
    assert [(error.row, error.column, error.reason) for error in report.errors] == [
        (3, "school_id", "SCHOOL_UNKNOWN"),
        (4, "timestamp", "IN_THE_FUTURE"),
        (5, "timestamp", "TOO_OLD"),
        (6, "school_id", "SCHOOL_AMBIGUOUS"),
        (7, "school_id", "SCHOOL_AMBIGUOUS"),
        (8, "timestamp", "TIME_INVALID"),
        (8, "download", "FIGURE_INVALID"),
        (8, "", "SCHOOL_MISSING"),
    ]
    assert (report.row_count, report.accepted_count, report.rejected_count) == (8, 2, 6)
    assert report.error_count == 8
    assert "P-10, P-11" in report.errors[3].message
    assert report.errors[0].value == "12345678"
    assert await comes_to(schools, 2)
    assert (dry.committed, report.committed) == (False, True)
    dry.committed = True
    assert dry == report


async def test_a_dry_run_takes_nothing(schools: Monitoring) -> None:
    schools.write()
    row = f"{at(-60)},30400001,,b,1,1,1"
    assert (await imported(schools, GIGA_HEADER + row, dry_run=True)).accepted_count == 1
    assert (await schools.bus.jetstream.stream_info("TELEMETRY")).state.messages == 0


async def test_no_more_errors_are_listed_than_can_be_sent_but_all_are_counted(
    schools: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_measurements, "MOST_LISTED", 5)
    report = await imported(schools, GIGA_HEADER + f"{at(0)},1,,b,1,1,1\n" * 7)
    assert (len(report.errors), report.error_count, report.rejected_count) == (5, 7, 7)


async def test_a_school_of_another_region_is_unknown(schools: Monitoring) -> None:
    row = f"{at(-60)},30400001,,b,1,1,1"
    report = await imported(schools, GIGA_HEADER + row, region="regions/64.09")
    assert [error.reason for error in report.errors] == ["SCHOOL_UNKNOWN"]


async def test_without_the_bus_nothing_is_said_to_be_taken(schools: Monitoring) -> None:
    await schools.nats.stop()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await imported(schools, GIGA_HEADER + f"{at(-60)},30400001,,b,1,1,1")
    assert failed.value.code() == grpc.StatusCode.UNAVAILABLE
    await schools.nats.start()


@pytest.mark.parametrize(
    ("text", "format_", "field"),
    [
        ("", GIGA_DAILY_CHECK, "file"),
        (GIGA_HEADER, GIGA_DAILY_CHECK, "file"),
        ("a,b\n1,2", GIGA_DAILY_CHECK, "timestamp"),
        (GIGA_HEADER + "1", MLAB_NDT, "TestTime"),
        (GIGA_HEADER + "1", 0, "format"),
    ],
)
async def test_a_file_that_is_none_is_refused(
    schools: Monitoring, text: str, format_: int, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await imported(schools, text, format_)
    refusal = refusal_of(failed.value)
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert next(iter(refusal.fields)) == field
