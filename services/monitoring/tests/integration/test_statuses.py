"""Statuses are filtered and counted; anybody is told the public part of them."""

import asyncio
import base64
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from common.postgres.database import Connection
from common.rpc.refusals import refusal_of
from google.type.date_pb2 import Date
from monitoring.operations.turn_circuits import turn_circuits
from monitoring.storage import public_statuses
from monitoring.storage.public_statuses import PublicPoint
from monitoring.testing import NOON, POINTS, REGION, Monitoring, measured, write_measurements
from monitoring.testing_inventory import lay
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1 import status_pb2
from smartcity.monitoring.v1.status_pb2 import ListPublicStatusesRequest, ListStatusesRequest

ADD_CIRCUITS = """
INSERT INTO circuits (region_code, point_id, circuit_id, provider_id, sequence)
SELECT '64.01', 'P-' || n, 'C-' || provider, provider, 1
  FROM generate_series(0, 5) AS n
  JOIN (VALUES ('TELKOM', 4), ('ICON', 9)) AS line (provider, below) ON n < below
 WHERE provider = 'TELKOM' OR n >= 3
"""
RENAME = "UPDATE points SET display_name = 'Titik 0' WHERE point_id IN ('P-1', 'P-2')"
SUSPEND = "UPDATE points SET state = 'SUSPENDED' WHERE point_id = 'P-7'"
LETTERS = {0: "sss", 1: "sss", 3: "sss", 4: "g", 5: "sss"}


@pytest.fixture
async def busy(monitoring: Monitoring) -> Monitoring:
    """Give a monitoring with lines of two providers, and some points that are down."""
    async with monitoring.database.transaction() as connection:
        await connection.execute(ADD_CIRCUITS)
    for number, letters in LETTERS.items():
        some = [measured(number, 10 * n - 60, letter) for n, letter in enumerate(letters)]
        await write_measurements(monitoring.needs, 0, some)
    return monitoring


async def listed(monitoring: Monitoring, **filters: Any) -> status_pb2.ListStatusesResponse:
    request = ListStatusesRequest(parent=REGION, page_size=1000, **filters)
    return await monitoring.stub.ListStatuses(request)


def numbers(answer: status_pb2.ListStatusesResponse) -> list[int]:
    return sorted(int(one.point.rpartition("-")[2]) for one in answer.statuses)


def providers(*names: str) -> list[str]:
    return [f"{REGION}/providers/{name}" for name in names]


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"provider": providers("TELKOM")}, [0, 1, 2, 3]),
        ({"provider": providers("ICON")}, [3, 4, 5]),
        ({"provider": providers("ICON", "TELKOM")}, [0, 1, 2, 3, 4, 5]),
        ({"provider": providers("NOBODY")}, []),
        ({"provider": providers("TELKOM"), "state": [status_pb2.DOWN]}, [0, 1, 3]),
        (
            {"provider": providers("ICON"), "state": [status_pb2.DOWN, status_pb2.UP]}
            | {"kind": ["OPD"], "district": f"{REGION}/districts/64.01.01"},
            [3],
        ),
    ],
)
async def test_filters_join(busy: Monitoring, filters: dict[str, Any], wanted: list[int]) -> None:
    answer = await listed(busy, **filters)
    assert numbers(answer) == wanted
    assert answer.total_size == len(wanted)


async def test_counts_are_over_the_filter(busy: Monitoring) -> None:
    answer = await listed(busy, state=[status_pb2.DOWN])
    assert dict(answer.counts) == {"DOWN": 4}
    assert dict(answer.kind_counts) == {"SCHOOL": 1, "OPD": 3}
    assert dict(answer.district_counts) == {
        f"{REGION}/districts/64.01.01": 2,
        f"{REGION}/districts/64.01.02": 1,
        f"{REGION}/districts/64.01.03": 1,
    }
    both = dict(zip(providers("TELKOM", "ICON"), (3, 2), strict=True))
    assert dict(answer.provider_counts) == both
    (third,) = (one for one in answer.statuses if one.point.endswith("P-3"))
    assert list(third.providers) == providers("ICON", "TELKOM")


async def counted(monitoring: Monitoring, provider: str) -> tuple[list[int], int]:
    """Return who is found by a provider, and how many of all points are said to be its."""
    (name,) = providers(provider)
    found = numbers(await listed(monitoring, provider=[name]))
    return found, (await listed(monitoring)).provider_counts[name]


async def test_only_circuits_in_service_count_from_the_region_s_midnight_to_midnight(
    monitoring: Monitoring,
) -> None:
    today, tomorrow = Date(year=2026, month=11, day=24), Date(year=2026, month=11, day=25)
    await lay(monitoring, 0)
    await lay(monitoring, 1, end_date=today)
    await lay(monitoring, 2, start_date=today, end_date=tomorrow)
    await lay(monitoring, 3, start_date=tomorrow)
    assert await turn_circuits(monitoring.needs) == 0
    assert await counted(monitoring, "telkom") == ([0, 2], 2)
    some = (await listed(monitoring, district=f"{REGION}/districts/64.01.02")).statuses
    shown = {one.point: list(one.providers) for one in some}
    assert shown[f"{REGION}/points/P-1"] == []
    monitoring.clock.time = NOON.replace(hour=15, minute=59)
    assert await turn_circuits(monitoring.needs) == 0
    monitoring.clock.time = NOON.replace(hour=16)  # 00:00 in Paser
    assert await turn_circuits(monitoring.needs) == 2
    assert await counted(monitoring, "telkom") == ([0, 3], 2)
    await lay(monitoring, 1, 2, end_date=Date(year=2027, month=1, day=1))
    assert await counted(monitoring, "telkom") == ([0, 1, 3], 3)


async def test_an_unknown_kind_is_refused_with_what_is_allowed(busy: Monitoring) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await listed(busy, kind=["SCHOOL", "CASTLE"])
    fields = refusal_of(failed.value).fields
    assert list(fields) == ["kind[1]"]
    assert "AUXILIARY_HEALTH_POST" in str(fields["kind[1]"])


async def test_every_kind_of_the_inventory_is_known(busy: Monitoring) -> None:
    answer = await listed(busy, kind=Point.Kind.keys()[1:])
    assert answer.total_size == POINTS


async def test_a_watch_is_told_what_enters_and_leaves_its_filter(busy: Monitoring) -> None:
    busy.tell()
    request = status_pb2.WatchStatusesRequest(
        parent=REGION, state=[status_pb2.DOWN], provider=providers("ICON")
    )
    told: list[tuple[str, str]] = []
    async for part in busy.stub.WatchStatuses(request):
        told += [
            (one.point.rpartition("/")[2], status_pb2.State.Name(one.state))
            for one in part.statuses
        ]
        if not part.is_snapshot and not told[2:]:
            assert told == [("P-3", "DOWN"), ("P-5", "DOWN")]
            for number, letters in ((0, "gg"), (4, "gg"), (5, "gg"), (4, "sss")):
                start = 60 if letters == "sss" else 0
                some = [measured(number, start + 10 * n, x) for n, x in enumerate(letters)]
                await write_measurements(busy.needs, 0, some)
        if len(told) == 4:
            break
    assert told[2:] == [("P-5", "UP"), ("P-4", "DOWN")]


async def test_the_public_is_told_name_state_and_since_of_points_in_service(
    busy: Monitoring,
) -> None:
    async with busy.database.transaction() as connection:
        await connection.execute(RENAME)
        await connection.execute(SUSPEND)
    call = busy.stub.ListPublicStatuses(ListPublicStatusesRequest(parent=REGION, page_size=2))
    first = await call
    assert ("cache-control", "public, max-age=15") in list(await call.initial_metadata())
    found, token = list(first.public_statuses), first.next_page_token
    while token:
        assert b"P-" not in base64.urlsafe_b64decode(token)
        request = ListPublicStatusesRequest(parent=REGION, page_size=2, page_token=token)
        page = await busy.stub.ListPublicStatuses(request)
        found += page.public_statuses
        token = page.next_page_token
    assert first.total_size == len(found) == POINTS - 1
    assert dict(first.counts) == {"DOWN": 4, "UP": 1, "UNKNOWN": POINTS - 6}
    names = [one.display_name for one in found]
    assert names == sorted(names)
    assert names.count("Titik 0") == 3
    assert "Titik 7" not in names
    (up,) = (one for one in found if one.state == status_pb2.UP)
    assert up.since.seconds == NOON.timestamp() - 60
    assert {field.name for field in up.DESCRIPTOR.fields} == {"display_name", "state", "since"}
    assert first.last_measurement_time.seconds == NOON.timestamp() - 40


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return where the regions will stand that the database is asked for."""
    reads: list[str] = []
    read = public_statuses.read

    async def counted(connection: Connection, region: str, at: datetime) -> list[PublicPoint]:
        reads.append(region)
        return await read(connection, region, at)

    monkeypatch.setattr(public_statuses, "read", counted)
    return reads


async def test_codes_that_no_point_has_cost_a_question_a_minute_and_push_no_region_out(
    busy: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = counted_reads(monkeypatch)
    made_up = [f"{n // 100:02}.{n % 100:02}" for n in range(150)]

    async def ask() -> list[int]:
        requests = [ListPublicStatusesRequest(parent=f"regions/{n}") for n in ("64.01", *made_up)]
        return [(await busy.stub.ListPublicStatuses(request)).total_size for request in requests]

    for later in (0, 1, 4, 54):
        busy.clock.time += timedelta(seconds=later)
        assert await ask() == [POINTS, *[0] * len(made_up)]
    assert sorted(reads) == sorted([*made_up, *["64.01"] * 3])
    busy.clock.time += timedelta(seconds=1)
    await ask()
    assert len(reads) == 2 * len(made_up) + 3


async def test_however_many_strangers_ask_the_database_is_asked_once_in_a_while(
    busy: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ListPublicStatusesRequest(parent=REGION, page_size=1000)
    reads = counted_reads(monkeypatch)
    calls = (busy.stub.ListPublicStatuses(request) for _ in range(50))
    answers = await asyncio.gather(*calls)
    assert reads == ["64.01"]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].total_size == POINTS
    async with busy.database.transaction() as connection:
        await connection.execute(SUSPEND)
    assert (await busy.stub.ListPublicStatuses(request)).total_size == POINTS
    busy.clock.time += timedelta(seconds=5)
    assert (await busy.stub.ListPublicStatuses(request)).total_size == POINTS - 1
