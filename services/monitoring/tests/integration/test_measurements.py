"""Measurements come in, are stored once, and show the state."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from common.rpc.refusals import refusal_of
from devstack.waiting import until
from monitoring.domain.observation import Observation
from monitoring.domain.rules import rules_of
from monitoring.domain.timeline import boundaries
from monitoring.operations.run_writer import keep_days
from monitoring.operations.write_measurements import expire_statuses
from monitoring.testing import NOON, POINTS, REGION, Monitoring, measured, write_measurements
from monitoring.testing_measurements import comes_to, wrong
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.events_pb2 import StatusChanged
from smartcity.monitoring.v1.measurement_pb2 import Measurement, ReportMeasurementsRequest

State = status_pb2.State


async def test_reported_measurements_become_a_status(monitoring: Monitoring) -> None:
    monitoring.write()
    assert (await monitoring.status()).state == State.UNKNOWN
    answer = await monitoring.report([measured(0, -60 * n) for n in range(3)])
    assert (answer.accepted_count, list(answer.rejections)) == (3, [])
    assert await comes_to(monitoring, 3)
    status = await monitoring.status()
    assert status.state == State.UP
    assert status.since.ToDatetime(UTC) == NOON - timedelta(seconds=120)
    assert status.last_measurement_time.ToDatetime(UTC) == NOON
    assert status.point == f"{REGION}/points/P-0"
    assert status.reason == "1 measurements as they should be"


def at(time: datetime) -> Measurement:
    one = measured(1, 0)
    one.time.FromDatetime(time)
    return one


async def test_wrong_ones_are_told_by_index_and_the_others_kept(monitoring: Monitoring) -> None:
    monitoring.write()
    reported = [
        measured(0, 0),
        wrong(point=f"{REGION}/points/NO-SUCH"),
        wrong(point="regions/64.09/points/P-1"),
        wrong(point="P-1"),
        at(NOON + timedelta(minutes=5, seconds=1)),
        at(NOON - timedelta(days=36)),
        wrong(packets_received=11),
        wrong(rtt_mean_ms=float("nan")),
        wrong(rtt_mean_ms=float("inf")),
        wrong(rtt_mean_ms=-1.0),
        Measurement(point=f"{REGION}/points/P-1", source="icmp", time=measured(1, 0).time),
        measured(2, 0),
    ]
    answer = await monitoring.report(reported)
    assert answer.accepted_count == 2
    assert [(one.index, one.reason) for one in answer.rejections] == [
        (1, "POINT_UNKNOWN"),
        (2, "OTHER_REGION"),
        (3, "INVALID"),
        (4, "IN_THE_FUTURE"),
        (5, "TOO_OLD"),
        (6, "INVALID"),
        (7, "INVALID"),
        (8, "INVALID"),
        (9, "INVALID"),
        (10, "INVALID"),
    ]
    messages = [one.message for one in answer.rejections]
    assert "NO-SUCH" in messages[0]
    assert "packetsReceived" in messages[5]
    assert await comes_to(monitoring, 2)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (ReportMeasurementsRequest(parent=REGION), "measurements"),
        (ReportMeasurementsRequest(parent="x", measurements=[measured(0, 0)]), "parent"),
        (
            ReportMeasurementsRequest(parent=REGION, measurements=[measured(0, 0)] * 10_001),
            "measurements",
        ),
    ],
)
async def test_a_request_that_is_none_is_refused_as_a_whole(
    monitoring: Monitoring, request_: ReportMeasurementsRequest, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await monitoring.stub.ReportMeasurements(request_)
    refusal = refusal_of(failed.value)
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal.fields) == [field]


async def test_what_comes_twice_or_in_two_batches_is_stored_once(monitoring: Monitoring) -> None:
    monitoring.write()
    some = [measured(n, -60 * k) for n in range(5) for k in range(10)]
    for _ in range(3):
        assert (await monitoring.report(some + some[:7])).accepted_count == 57
    assert await comes_to(monitoring, 50)
    assert await monitoring.intervals(3) == [("UP", -540, None)]


LETTERS = "ggggggssssssggpppppgggg       gggsssgg ss gg"


def expected(letters: str, number: int) -> list[tuple[str, int, int | None]]:
    """Return the intervals that the domain's reference makes of the letters."""
    observations = []
    for place, letter in enumerate(letters):
        if letter != " ":
            one = measured(number, 60 * (place - len(letters)), letter)
            rtt = one.rtt_mean_ms if one.HasField("rtt_mean_ms") else None
            observations.append(
                Observation(
                    one.time.ToDatetime(UTC), "icmp", one.packets_sent, one.packets_received, rtt
                )
            )
    found = boundaries(observations, rules_of("FO"))
    starts = [int((b.start - NOON).total_seconds()) for b in found]
    return [
        (b.state.value, start, end)
        for b, start, end in zip(found, starts, [*starts[1:], None], strict=True)
    ]


def some_hours(chance: random.Random) -> str:
    """Return letters for five hours: lines that fail, are slow, and are not measured at all."""
    letters = ""
    while len(letters) < 300:
        letters += chance.choice("gggpps   ") * chance.randint(1, 12)
    return letters[:299] + "g"


@pytest.mark.parametrize("seed", range(8))
async def test_in_whatever_order_they_come_the_timeline_is_the_same(
    monitoring: Monitoring, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    letters = {number: some_hours(chance) for number in range(4)} | {4: LETTERS}
    all_of_them = [
        measured(number, 60 * (place - len(text)), letter)
        for number, text in letters.items()
        for place, letter in enumerate(text)
        if letter != " "
    ]
    arriving = all_of_them + chance.sample(all_of_them, 100)
    chance.shuffle(arriving)
    while arriving:
        size = chance.randint(1, 150)
        batch, arriving = arriving[:size], arriving[size:]
        await write_measurements(monitoring.needs, 0, batch)
        await expire_statuses(monitoring.needs)
    for number, text in letters.items():
        assert await monitoring.intervals(number) == expected(text, number)
        status = await monitoring.status(number)
        last = expected(text, number)[-1]
        assert (State.Name(status.state), int(status.since.seconds - NOON.timestamp())) == last[:2]


async def test_late_ones_after_an_expiry_move_the_begin_of_the_unknown(
    monitoring: Monitoring,
) -> None:
    await write_measurements(monitoring.needs, 0, [measured(0, 0)])
    monitoring.clock.time = NOON + timedelta(minutes=10)
    assert await expire_statuses(monitoring.needs) == 1
    assert await monitoring.intervals() == [("UP", 0, 300), ("UNKNOWN", 300, None)]
    assert await expire_statuses(monitoring.needs) == 0
    await write_measurements(monitoring.needs, 0, [measured(0, 200)])
    assert await monitoring.intervals() == [("UP", 0, 500), ("UNKNOWN", 500, None)]
    monitoring.clock.time = NOON + timedelta(minutes=30)
    late = [measured(0, 60 * n) for n in range(1, 31)]
    await write_measurements(monitoring.needs, 0, late)
    assert await monitoring.intervals() == [("UP", 0, None)]


async def test_midnight_and_the_oldest_day_are_days_like_others(monitoring: Monitoring) -> None:
    midnight = -4 * 3600
    oldest = -35 * 86400 + midnight
    edges = [midnight - 0.001, midnight, midnight + 0.001, oldest, oldest + 0.001, 299.0]
    await monitoring.report([measured(0, edge) for edge in edges])
    monitoring.write()
    assert await comes_to(monitoring, len(edges))
    answer = await monitoring.report([measured(0, oldest - 0.001)])
    assert [one.reason for one in answer.rejections] == ["TOO_OLD"]


async def test_two_writers_share_the_partitions_and_nothing_is_doubled(
    monitoring: Monitoring,
) -> None:
    for _ in range(2):
        monitoring.write()
    batches = [
        [measured(number, 60 * (place - len(LETTERS)), letter) for number in range(POINTS)]
        for place, letter in enumerate(LETTERS)
        if letter != " "
    ]
    await asyncio.gather(*(monitoring.report(batch) for batch in batches))
    assert await comes_to(monitoring, len(batches) * POINTS)

    async def all_as_expected() -> bool:
        return await monitoring.intervals(7) == expected(LETTERS, 7)

    assert await until(all_as_expected, within_s=10)


async def test_a_change_of_state_is_told_once_with_the_status(monitoring: Monitoring) -> None:
    await write_measurements(monitoring.needs, 0, [measured(0, -300 + 60 * n) for n in range(3)])
    silent = [measured(0, -100 + 10 * n, "s") for n in range(5)]
    await write_measurements(monitoring.needs, 0, silent)
    await write_measurements(monitoring.needs, 0, silent)
    async with monitoring.database.read() as connection:
        told = await connection.fetch(
            "SELECT subject, resource, sequence, body FROM outbox ORDER BY outbox_id"
        )
    assert [(row["resource"], row["sequence"]) for row in told] == [
        (f"{REGION}/points/P-0/status", 1),
        (f"{REGION}/points/P-0/status", 2),
    ]
    assert {row["subject"] for row in told} == {"smartcity.6401.monitoring.status.changed.v1"}
    first, second = (StatusChanged.FromString(row["body"]) for row in told)
    assert (first.previous_state, first.status.state) == (State.UNKNOWN, State.UP)
    assert (second.previous_state, second.status.state) == (State.UP, State.DOWN)
    assert second.status.since.ToDatetime(UTC) == NOON - timedelta(seconds=100)


async def test_old_days_go_and_a_late_one_still_finds_where_to_begin(
    monitoring: Monitoring,
) -> None:
    hours = [measured(0, 240 * n, "g") for n in range(100)]
    await write_measurements(monitoring.needs, 0, hours)
    assert await monitoring.intervals() == [("UP", 0, None)]
    monitoring.clock.time = NOON + timedelta(days=36)
    await monitoring.roll_up()
    await keep_days(monitoring.needs)
    assert await monitoring.stored() == 0
    async with monitoring.database.read() as connection:
        left = await connection.fetch("SELECT last_time FROM checkpoints")
    assert [row["last_time"] for row in left] == [NOON + timedelta(hours=5, minutes=56)]
    first = 86400 * 36 - 3600
    await write_measurements(monitoring.needs, 0, [measured(0, first + 600)])
    await write_measurements(monitoring.needs, 0, [measured(0, first)])
    assert await monitoring.intervals() == [
        ("UP", 0, 240 * 99 + 300),
        ("UNKNOWN", 240 * 99 + 300, first),
        ("UP", first, first + 300),
        ("UNKNOWN", first + 300, first + 600),
        ("UP", first + 600, first + 900),
        ("UNKNOWN", first + 900, None),
    ]


async def test_one_that_comes_between_a_silence_s_begin_and_its_notice(
    monitoring: Monitoring,
) -> None:
    await write_measurements(monitoring.needs, 0, [measured(0, 0)])
    monitoring.clock.time = NOON + timedelta(hours=2)
    await expire_statuses(monitoring.needs)
    await write_measurements(monitoring.needs, 0, [measured(0, 7000)])
    await write_measurements(monitoring.needs, 0, [measured(0, 100)])
    assert await monitoring.intervals() == [
        ("UP", 0, 400),
        ("UNKNOWN", 400, 7000),
        ("UP", 7000, None),
    ]


async def test_a_point_deleted_under_its_measurements_stops_nobody(
    monitoring: Monitoring,
) -> None:
    await write_measurements(monitoring.needs, 0, [measured(n, 0) for n in range(2)])
    async with monitoring.database.transaction() as connection:
        await connection.execute("DELETE FROM points WHERE point_id = 'P-0'")
    await write_measurements(monitoring.needs, 0, [measured(0, n, "s") for n in range(1, 4)])
    monitoring.clock.time = NOON + timedelta(minutes=10)
    assert await expire_statuses(monitoring.needs) == 2
    assert await expire_statuses(monitoring.needs) == 0
    assert (await monitoring.status(1)).state == State.UNKNOWN
