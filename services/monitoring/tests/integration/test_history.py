"""How measurements were: the same from the rows and from roll-ups, whenever they came."""

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from common.rpc.refusals import refusal_of
from google.protobuf.duration_pb2 import Duration
from monitoring.domain.grid import DAY, HOUR, MINUTE
from monitoring.testing import NOON, REGION, Monitoring, measured, write_measurements
from smartcity.monitoring.v1 import measurement_history_pb2
from smartcity.monitoring.v1.measurement_history_pb2 import (
    ExportMeasurementsRequest,
    MeasurementBucket,
    QueryMeasurementsRequest,
    QueryMeasurementsResponse,
)
from smartcity.monitoring.v1.measurement_pb2 import Measurement

POINT = f"{REGION}/points/P-0"
MIDNIGHT_UTC = NOON - timedelta(hours=4)
MIDNIGHT_WITA = NOON - timedelta(hours=12)
LEAST = timedelta(microseconds=1)


def one(time: datetime, rtt_ms: float | None = 20.0, **also: Any) -> Measurement:
    found = measured(0, 0)
    found.time.FromDatetime(time)
    found.ClearField("rtt_mean_ms")
    if rtt_ms is not None:
        found.rtt_mean_ms = rtt_ms
    for name, value in also.items():
        setattr(found, name, value)
    return found


async def write(monitoring: Monitoring, measurements: Iterable[Measurement]) -> int:
    return await write_measurements(monitoring.needs, 0, list(measurements))


async def asked(
    monitoring: Monitoring,
    start: datetime | None = None,
    end: datetime | None = None,
    step: timedelta | None = None,
    **also: Any,
) -> QueryMeasurementsResponse:
    request = QueryMeasurementsRequest(**({"parent": POINT} | also))
    if start:
        request.start_time.FromDatetime(start)
    if end:
        request.end_time.FromDatetime(end)
    if step:
        request.step.FromTimedelta(step)
    return await monitoring.stub.QueryMeasurements(request)


def begin(bucket: MeasurementBucket) -> datetime:
    return bucket.start_time.ToDatetime(UTC)


def counts(answer: QueryMeasurementsResponse) -> list[tuple[datetime, int]]:
    return [(begin(bucket), bucket.count) for bucket in answer.buckets if bucket.count]


async def test_a_point_that_was_never_measured_misses_everything(monitoring: Monitoring) -> None:
    answer = await asked(monitoring)
    assert [begin(bucket) for bucket in answer.buckets] == [
        NOON - DAY + n * HOUR for n in range(24)
    ]
    for bucket in answer.buckets:
        assert (bucket.count, bucket.missing_share, list(bucket.figures)) == (0, 1.0, [])
        assert not bucket.HasField("expected_count")


async def test_an_unknown_point_is_not_found(monitoring: Monitoring) -> None:
    name = f"{REGION}/points/NO-SUCH"
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asked(monitoring, parent=name)
    assert refusal_of(failed.value).code == grpc.StatusCode.NOT_FOUND
    request = ExportMeasurementsRequest(parent=name)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await anext(aiter(monitoring.stub.ExportMeasurements(request)))
    assert refusal_of(failed.value).code == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("times", [0, 1])
async def test_a_border_belongs_to_the_later_hour_and_day(
    monitoring: Monitoring, times: int
) -> None:
    hour = NOON - 2 * HOUR
    for border in (hour, MIDNIGHT_UTC, MIDNIGHT_WITA):
        await write(monitoring, [one(border - LEAST), one(border), one(border + LEAST)])
    for _ in range(times):
        await monitoring.roll_up()
    assert counts(await asked(monitoring)) == [
        (MIDNIGHT_WITA - HOUR, 1),
        (MIDNIGHT_WITA, 2),
        (MIDNIGHT_UTC - HOUR, 1),
        (MIDNIGHT_UTC, 2),
        (hour - HOUR, 1),
        (hour, 2),
    ]
    by_day = await asked(monitoring, NOON - DAY, NOON, DAY)
    assert counts(by_day) == [(MIDNIGHT_WITA - DAY, 1), (MIDNIGHT_WITA, 8)]
    by_minute = await asked(monitoring, MIDNIGHT_UTC - MINUTE, MIDNIGHT_UTC + MINUTE, MINUTE)
    assert counts(by_minute) == [(MIDNIGHT_UTC - MINUTE, 1), (MIDNIGHT_UTC, 2)]


def some_days(chance: random.Random) -> list[Measurement]:
    """Return three days of two sources, with gaps; what is added of them adds up exactly."""
    found = []
    for source, minutes in (("icmp", 10), ("agent-7", 30)):
        for place in range(0, 3 * 24 * 60, minutes):
            if chance.random() < 0.8:
                rtt = chance.choice([None, 12.25, 20.5, chance.randint(1, 4000) / 4])
                received = chance.choice([0, 5, 10])
                time = NOON - 3 * DAY + place * MINUTE
                found.append(one(time, rtt, source=source, packets_received=received))
    return found


ALL_FIGURES = [number for number in measurement_history_pb2.Figure.values() if number]


async def everything(monitoring: Monitoring) -> list[QueryMeasurementsResponse]:
    return [
        await asked(monitoring, NOON - 4 * DAY, NOON, step, figure=ALL_FIGURES, source=source)
        for step in (30 * MINUTE, HOUR, 5 * HOUR, DAY, 7 * DAY)
        for source in ([], ["icmp"], ["agent-7", "icmp"])
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_in_whatever_order_they_come_and_are_rolled_up_the_history_is_the_same(
    monitoring: Monitoring, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    arriving = some_days(chance)
    arriving += chance.sample(arriving, 50)
    chance.shuffle(arriving)
    while arriving:
        size = chance.randint(1, 200)
        batch, arriving = arriving[:size], arriving[size:]
        await write(monitoring, batch)
        if chance.random() < 0.5:
            await monitoring.roll_up()
    await monitoring.roll_up()
    rolled_up = await everything(monitoring)
    await mark_everything(monitoring)
    assert await everything(monitoring) == rolled_up
    await monitoring.roll_up()
    assert await everything(monitoring) == rolled_up
    assert sum(bucket.count for bucket in rolled_up[0].buckets) == await monitoring.stored()


async def mark_everything(monitoring: Monitoring) -> None:
    """Have every hour made anew: nothing but the measurements may count."""
    async with monitoring.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO roll_up_marks SELECT DISTINCT region_code, point_id,"
            " date_trunc('hour', measure_time), now() FROM measurements"
        )


async def test_a_history_says_what_was_measured(monitoring: Monitoring) -> None:
    begin_ = NOON - HOUR
    values = [float(10 + n) for n in range(50)]
    await write(monitoring, [one(begin_ + n * MINUTE, rtt) for n, rtt in enumerate(values)])
    await write(monitoring, [one(begin_ + 50 * MINUTE, None, packets_received=0)])
    (bucket,) = (await asked(monitoring, begin_, NOON)).buckets
    assert (bucket.count, bucket.packets_sent, bucket.packets_received) == (51, 510, 500)
    assert bucket.expected_count == pytest.approx(60)
    assert bucket.missing_share == pytest.approx(9 / 60)
    rtt, loss = bucket.figures
    assert (rtt.figure, rtt.count, rtt.mean) == (measurement_history_pb2.RTT_MEAN_MS, 50, 34.5)
    assert (rtt.min, rtt.max) == (10, 59)
    assert [rtt.p50, rtt.p95, rtt.p99] == [pytest.approx(v, rel=0.01) for v in (34, 57, 59)]
    assert (loss.figure, loss.count) == (measurement_history_pb2.LOSS, 51)
    assert (loss.p50, loss.p95, loss.max) == (0, 0, 1)
    assert loss.p99 == pytest.approx(1, rel=0.01)


async def test_what_is_missing_is_told_by_the_interval_that_was_kept_or_is_given(
    monitoring: Monitoring,
) -> None:
    begin_ = NOON - 4 * HOUR
    await write(monitoring, [one(begin_ + n * MINUTE) for n in range(60)])
    await write(monitoring, [one(begin_ + 2 * HOUR + n * 5 * MINUTE) for n in range(6)])
    monitoring.clock.time = NOON - 30 * MINUTE
    answer = await asked(monitoring, begin_)
    assert [round(bucket.expected_count) for bucket in answer.buckets] == [60, 60, 12, 6]
    assert [bucket.missing_share for bucket in answer.buckets] == [0, 1, 0.5, 1]
    given = await asked(monitoring, begin_, expected_interval=Duration(seconds=600))
    assert [round(bucket.expected_count) for bucket in given.buckets] == [6, 6, 6, 3]
    assert [bucket.missing_share for bucket in given.buckets] == [0, 1, 0, 1]
    fine = await asked(monitoring, begin_ + 55 * MINUTE, begin_ + 65 * MINUTE, MINUTE)
    assert [bucket.missing_share for bucket in fine.buckets] == [0] * 5 + [1] * 5
    assert [bucket.expected_count for bucket in fine.buckets] == [1] * 10


async def test_one_that_is_34_days_late_corrects_its_hour_and_its_day(
    monitoring: Monitoring,
) -> None:
    then = NOON - 34 * DAY
    await write(monitoring, [one(then + n * MINUTE, 10.0) for n in range(10)])
    await monitoring.roll_up()
    assert await write(monitoring, [one(then + 30 * MINUTE, 90.0)]) == 1
    late = [await of_then(monitoring, then, step) for step in (HOUR, DAY)]
    await monitoring.roll_up()
    for bucket in (*late, *[await of_then(monitoring, then, step) for step in (HOUR, DAY)]):
        assert (bucket.count, bucket.figures[0].max) == (11, 90)
    async with monitoring.database.read() as connection:
        for table in ("hourly_roll_ups", "daily_roll_ups"):
            assert await connection.fetchval(f"SELECT measurements FROM {table}") == 11  # noqa: S608


async def of_then(monitoring: Monitoring, time: datetime, step: timedelta) -> MeasurementBucket:
    (bucket,) = (await asked(monitoring, time, time + LEAST, step)).buckets
    return bucket


@pytest.mark.parametrize(
    ("span", "step", "field", "said"),
    [
        ((NOON, NOON), HOUR, "startTime", "before the end"),
        ((NOON + HOUR, NOON + DAY), HOUR, "startTime", "before the end"),
        ((NOON - 4 * DAY, NOON), MINUTE, "step", "60 s makes 5760 steps"),
        ((NOON - 4 * DAY, NOON), MINUTE, "step", "smallest step for this span is 120 s"),
        ((NOON - 36 * DAY, NOON - 35 * DAY), MINUTE, "step", "for this span is 3600 s"),
        ((NOON - 731 * DAY, NOON - 730 * DAY), HOUR, "step", "for this span is 86400 s"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_what_can(
    monitoring: Monitoring, span: tuple[datetime, datetime], step: timedelta, field: str, said: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asked(monitoring, *span, step)
    refusal = refusal_of(failed.value)
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert said in refusal.fields[field]


@pytest.mark.parametrize("seconds", [59, 61, 3660, 2678401])
async def test_a_step_that_is_none_is_refused(monitoring: Monitoring, seconds: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asked(monitoring, step=timedelta(seconds=seconds))
    assert list(refusal_of(failed.value).fields) == ["step"]


async def test_what_is_no_number_is_counted_and_spoils_no_figure(monitoring: Monitoring) -> None:
    """No caller gets them past the checks: they stand for a defect of ours."""
    values = (float("nan"), float("inf"), 5.0)
    await write(monitoring, [one(NOON - n * MINUTE, rtt) for n, rtt in enumerate(values, 1)])
    monitoring.clock.time = NOON + MINUTE
    await monitoring.roll_up()
    (bucket,) = (await asked(monitoring, NOON - HOUR, NOON)).buckets
    assert (bucket.count, bucket.figures[0].count, bucket.figures[0].max) == (3, 1, 5)


async def test_a_month_in_hours_is_a_file_on_the_clock_of_the_region(
    monitoring: Monitoring,
) -> None:
    begin_ = NOON - HOUR
    await write(monitoring, [one(begin_ + n * MINUTE, 10.0 + n) for n in range(30)])
    await monitoring.roll_up()
    request = QueryMeasurementsRequest(parent=POINT, figure=[measurement_history_pb2.RTT_MEAN_MS])
    request.start_time.FromDatetime(NOON - timedelta(days=30))
    request.step.FromTimedelta(HOUR)
    call = monitoring.stub.ExportMeasurementHistory(request)
    headers = {key: str(value) for key, value in (await call.initial_metadata() or ())}
    assert headers["content-disposition"] == 'attachment; filename="history-P-0.csv"'
    text = b"".join([part.data async for part in call]).decode("utf-8-sig")
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 30 * 24
    last, empty = rows[-1], rows[0]
    assert (last["start_time"], last["end_time"]) == (
        "2026-11-24T11:00:00+08:00",
        "2026-11-24T12:00:00+08:00",
    )
    assert (last["count"], last["expected_count"], last["missing_share"]) == ("30", "60", "0.5")
    assert (last["rtt_mean_ms_min"], last["rtt_mean_ms_max"]) == ("10", "39")
    assert last["rtt_mean_ms_mean"] == "24.5"
    assert (empty["count"], empty["missing_share"], empty["rtt_mean_ms_mean"]) == ("0", "1", "")
    assert not any("loss" in column for column in empty)
    request.step.FromTimedelta(timedelta(seconds=61))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await anext(aiter(monitoring.stub.ExportMeasurementHistory(request)))
    assert list(refusal_of(failed.value).fields) == ["step"]


async def exported(monitoring: Monitoring, **also: Any) -> list[dict[str, str]]:
    request = ExportMeasurementsRequest(parent=POINT, **also)
    parts = [part async for part in monitoring.stub.ExportMeasurements(request)]
    assert {part.content_type for part in parts} == {"text/csv; charset=utf-8"}
    text = b"".join(part.data for part in parts).decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


async def test_an_export_holds_the_measurements_as_they_are_stored(monitoring: Monitoring) -> None:
    await write(
        monitoring,
        [
            one(NOON, 12.3, source="b", method="=1+1", http_ms=7.5, success=True),
            one(NOON - LEAST, None, source="b", packets_received=0),
            one(NOON, source="a"),
        ],
    )
    last, first, middle = (await exported(monitoring))[2], *(await exported(monitoring))[:2]
    assert (first["measure_time"], first["packets_received"], first["rtt_mean_ms"]) == (
        "2026-11-24T03:59:59.999999Z",
        "0",
        "",
    )
    assert (middle["source"], last["source"]) == ("a", "b")
    assert (last["rtt_mean_ms"], last["http_ms"], last["success"]) == ("12.3", "7.5", "true")
    assert last["method"] == "'=1+1"
    assert set(last) == FIELDS
    assert [row["source"] for row in await exported(monitoring, source=["b"])] == ["b", "b"]
    until = measured(0, 0).time
    assert [row["source"] for row in await exported(monitoring, end_time=until)] == ["b"]
    assert len(await exported(monitoring, start_time=until)) == 2


FIELDS = {
    "point_id",
    "source",
    "measure_time",
    "packets_sent",
    "packets_received",
    "rtt_min_ms",
    "rtt_mean_ms",
    "rtt_max_ms",
    "rtt_p95_ms",
    "jitter_ms",
    "success",
    "http_ms",
    "dns_ms",
    "download_mbps",
    "upload_mbps",
    "method",
}


async def test_an_export_of_nothing_is_a_heading(monitoring: Monitoring) -> None:
    assert await exported(monitoring) == []


def test_every_figure_of_the_contract_has_a_column() -> None:
    names: Sequence[str] = [measurement_history_pb2.Figure.Name(n) for n in ALL_FIGURES]
    assert [name.lower() in FIELDS | {"loss"} for name in names] == [True] * len(names)
