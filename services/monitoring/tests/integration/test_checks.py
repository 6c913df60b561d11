"""Checks: created, changed and deleted by hand, derived from circuits by events."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from common.events.event import event_of
from common.postgres import history
from common.postgres.pages import Page
from common.rpc.refusals import refusal_of
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from monitoring.events.circuits import follow_circuits
from monitoring.events.points import keep_point
from monitoring.settings import DefaultCheck
from monitoring.storage import probing
from monitoring.storage.probing import Lease
from monitoring.testing import REGION, Monitoring
from smartcity.inventory.v1.circuit_pb2 import Circuit
from smartcity.inventory.v1.events_pb2 import CircuitChanged, PointDeleted
from smartcity.inventory.v1.point_pb2 import Point
from smartcity.monitoring.v1 import check_pb2
from smartcity.monitoring.v1.check_pb2 import Check, DnsParameters, HttpParameters
from smartcity.type.v1.change_pb2 import Change

POINT = f"{REGION}/points/P-1"


async def create(monitoring: Monitoring, check: Check, point: str = POINT, **more: Any) -> Check:
    request = check_pb2.CreateCheckRequest(parent=point, check=check, **more)
    return await monitoring.stub.CreateCheck(request)


async def update(monitoring: Monitoring, check: Check, *paths: str) -> Check:
    request = check_pb2.UpdateCheckRequest(check=check, update_mask=FieldMask(paths=paths))
    return await monitoring.stub.UpdateCheck(request)


async def delete(monitoring: Monitoring, name: str) -> None:
    await monitoring.stub.DeleteCheck(check_pb2.DeleteCheckRequest(name=name))


async def listed(monitoring: Monitoring, point: str = "-", **filters: Any) -> list[Check]:
    request = check_pb2.ListChecksRequest(parent=f"{REGION}/points/{point}", **filters)
    return list((await monitoring.stub.ListChecks(request)).checks)


async def changes(monitoring: Monitoring, name: str) -> list[Change]:
    async with monitoring.database.read() as connection:
        found, _ = await history.list_page(connection, name, Page(check_pb2.ListChecksRequest()))
    return found.items


async def refused(call: Any) -> tuple[grpc.StatusCode, list[str], str]:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    refusal = refusal_of(failed.value)
    return refusal.code, sorted(refusal.fields), refusal.reason


async def test_a_check_is_completed_with_defaults(monitoring: Monitoring) -> None:
    made = await create(monitoring, Check(kind=Check.ICMP, address="10.1.2.3"), check_id="main")
    assert made.name == f"{POINT}/checks/main"
    figures = (made.packets, made.spacing_ms, made.timeout_ms, made.interval_s)
    assert figures == (5, 100, 2000, 60)
    assert await monitoring.stub.GetCheck(check_pb2.GetCheckRequest(name=made.name)) == made
    (change,) = await changes(monitoring, made.name)
    assert (change.action, change.actor) == ("create", "anonymous")


async def test_the_timeout_is_what_a_short_interval_leaves(monitoring: Monitoring) -> None:
    made = await create(monitoring, Check(kind=Check.ICMP, address="10.1.2.3", interval_s=1))
    assert made.timeout_ms == 600


@pytest.mark.parametrize(
    ("check", "field"),
    [
        (Check(address="10.1.2.3"), "check.kind"),
        (Check(kind=Check.ICMP), "check.address"),
        (Check(kind=Check.ICMP, address="not an address!"), "check.address"),
        (Check(kind=Check.ICMP, address="10.1.2.3", port=7), "check"),
        (Check(kind=Check.TCP, address="10.1.2.3"), "check"),
        (Check(kind=Check.DNS, address="10.1.2.3"), "check"),
        (Check(kind=Check.ICMP, address="10.1.2.3", http=HttpParameters()), "check"),
        (Check(kind=Check.ICMP, address="10.1.2.3", interval_s=3601), "check.intervalS"),
        (Check(kind=Check.ICMP, address="10.1.2.3", packets=101), "check.packets"),
        (
            Check(kind=Check.ICMP, address="10.1.2.3", interval_s=2, timeout_ms=1700),
            "check.timeoutMs",
        ),
        (
            Check(kind=Check.HTTP, address="a.id", http=HttpParameters(path="no slash")),
            "check.http.path",
        ),
        (Check(kind=Check.DNS, address="a.id", dns=DnsParameters(name="a..id")), "check.dns.name"),
    ],
)
async def test_a_wrong_check_is_refused_by_field(
    monitoring: Monitoring, check: Check, field: str
) -> None:
    code, fields, _ = await refused(create(monitoring, check))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    assert await listed(monitoring) == []


async def test_every_violation_is_told_at_once(monitoring: Monitoring) -> None:
    wrong = Check(address="!", interval_s=1, spacing_ms=500)
    _, fields, _ = await refused(create(monitoring, wrong))
    assert fields == ["check.address", "check.kind", "check.timeoutMs"]


async def test_a_check_of_an_unknown_point_is_not_found(monitoring: Monitoring) -> None:
    check = Check(kind=Check.ICMP, address="10.1.2.3")
    code, _, _ = await refused(create(monitoring, check, f"{REGION}/points/NO"))
    assert code == grpc.StatusCode.NOT_FOUND
    code, _, _ = await refused(listed(monitoring, "NO"))
    assert code == grpc.StatusCode.NOT_FOUND


async def test_parameters_come_back_as_they_were_given(monitoring: Monitoring) -> None:
    web = HttpParameters(path="/health?x=1", tls=True, expected_status=204, expected_text="baik")
    made = await create(monitoring, Check(kind=Check.HTTP, address="paserkab.go.id", http=web))
    assert made.http == web
    asked = DnsParameters(name="paserkab.go.id", record_type="MX")
    made = await create(monitoring, Check(kind=Check.DNS, address="10.1.2.3", dns=asked))
    assert (made.dns, made.HasField("http")) == (asked, False)


async def test_checks_of_all_points_are_walked_page_by_page(monitoring: Monitoring) -> None:
    check = Check(kind=Check.TCP, address="10.1.2.3", port=80)
    for point in ("P-2", "P-1"):
        for check_id in ("b", "a"):
            await create(monitoring, check, f"{REGION}/points/{point}", check_id=check_id)
    request = check_pb2.ListChecksRequest(parent=f"{REGION}/points/-", page_size=3)
    first = await monitoring.stub.ListChecks(request)
    request.page_token = first.next_page_token
    second = await monitoring.stub.ListChecks(request)
    names = [check.name.split("/", 3)[3] for check in (*first.checks, *second.checks)]
    assert names == ["P-1/checks/a", "P-1/checks/b", "P-2/checks/a", "P-2/checks/b"]
    assert (first.total_size, second.next_page_token) == (4, "")
    assert len(await listed(monitoring, "P-2")) == 2
    assert await listed(monitoring, kind=[Check.ICMP]) == []


async def test_a_check_is_updated_by_mask_and_deleted(monitoring: Monitoring) -> None:
    made = await create(monitoring, Check(kind=Check.ICMP, address="10.1.2.3"))
    change = Check(name=made.name, paused=True, packets=9, etag=made.etag)
    changed = await update(monitoring, change, "paused")
    assert (changed.paused, changed.packets) == (True, 5)
    code, _, reason = await refused(update(monitoring, change, "packets"))
    assert (code, reason) == (grpc.StatusCode.ABORTED, "ETAG_STALE")
    await delete(monitoring, made.name)
    assert await listed(monitoring) == []
    assert [one.action for one in await changes(monitoring, made.name)] == [
        "delete",
        "update",
        "create",
    ]


async def test_a_dry_run_changes_nothing(monitoring: Monitoring) -> None:
    check = Check(kind=Check.ICMP, address="10.1.2.3")
    assert (await create(monitoring, check, validate_only=True)).packets == 5
    assert await listed(monitoring) == []


async def test_a_request_id_gives_the_same_answer(monitoring: Monitoring) -> None:
    check = Check(kind=Check.ICMP, address="10.1.2.3")
    first = await create(monitoring, check, request_id="r-1")
    assert await create(monitoring, check, request_id="r-1") == first
    assert len(await listed(monitoring)) == 1


class Circuits:
    """Tells monitoring of changes to a circuit, as the consumer of events does."""

    def __init__(self, monitoring: Monitoring) -> None:
        default = DefaultCheck(kind="STAMP", packets=3, interval_s=10).draft()
        self._follow = follow_circuits(default, monitoring.clock)
        self._database = monitoring.database

    async def change(self, address: str, *, deleted: bool = False, **fields: Any) -> None:
        name = f"{POINT}/circuits/main"
        circuit = Circuit(name=name, monitored_address=address, **fields)
        body = CircuitChanged(circuit=circuit, deleted=deleted)
        async with self._database.transaction() as connection:
            await self._follow(connection, event_of(body, name))


@pytest.fixture
async def circuits(monitoring: Monitoring) -> AsyncIterator[Circuits]:
    yield Circuits(monitoring)
    async with monitoring.database.read() as connection:
        assert (await history.verify(connection))[0]


async def test_a_circuit_with_an_address_has_a_check(
    monitoring: Monitoring, circuits: Circuits
) -> None:
    await circuits.change("")
    assert await listed(monitoring) == []
    await circuits.change("10.1.2.3")
    (check,) = await listed(monitoring)
    assert check.name == f"{POINT}/checks/main"
    assert check.circuit == f"{POINT}/circuits/main"
    assert (check.kind, check.address, check.packets) == (Check.STAMP, "10.1.2.3", 3)
    (change,) = await changes(monitoring, check.name)
    assert (change.action, change.actor) == ("create", "system")


@pytest.mark.parametrize(
    "end",
    [
        {"address": "10.1.2.3", "deleted": True},
        {"address": ""},
        {"address": "10.1.2.3", "end_date": Date(year=2026, month=11, day=24)},
    ],
)
async def test_a_derived_check_goes_with_its_circuit(
    monitoring: Monitoring, circuits: Circuits, end: dict[str, Any]
) -> None:
    await circuits.change("10.1.2.3")
    (check,) = await listed(monitoring)
    await circuits.change(**end)
    assert await listed(monitoring) == []
    await circuits.change(**end)
    assert [one.action for one in await changes(monitoring, check.name)] == ["delete", "create"]


async def test_days_of_a_circuit_turn_at_midnight_of_its_region(
    monitoring: Monitoring, circuits: Circuits
) -> None:
    """Paser is eight hours ahead: its 25th begins at 16:00 UTC of the 24th."""
    begins, ends = Date(year=2026, month=11, day=25), Date(year=2026, month=11, day=26)
    await circuits.change("10.1.2.3", start_date=begins, end_date=ends)
    leases = [Lease("64.01", number) for number in range(8)]

    async def asked(day: int, hour: int, minute: int = 0) -> int:
        now = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
        async with monitoring.database.read() as connection:
            return len(await probing.read_checks(connection, leases, now))

    assert [await asked(24, 15, 59), await asked(24, 16)] == [0, 1]
    assert [await asked(25, 15, 59), await asked(25, 16)] == [1, 0]
    monitoring.clock.time = datetime(2026, 11, 25, 15, 59, tzinfo=UTC)
    await circuits.change("10.1.2.3", end_date=ends)
    assert len(await listed(monitoring)) == 1
    monitoring.clock.time = datetime(2026, 11, 25, 16, tzinfo=UTC)
    await circuits.change("10.1.2.3", end_date=ends)
    assert await listed(monitoring) == []


async def test_what_an_operator_changed_stays_when_the_address_moves(
    monitoring: Monitoring, circuits: Circuits
) -> None:
    await circuits.change("10.1.2.3")
    (check,) = await listed(monitoring)
    await update(monitoring, Check(name=check.name, kind=Check.ICMP, interval_s=30))
    await circuits.change("10.9.9.9")
    (moved,) = await listed(monitoring)
    assert (moved.kind, moved.interval_s, moved.address) == (Check.ICMP, 30, "10.9.9.9")
    await circuits.change("10.9.9.9", service_id="S-1")
    assert await listed(monitoring) == [moved]


async def test_a_derived_check_is_not_deleted_and_its_address_not_changed(
    monitoring: Monitoring, circuits: Circuits
) -> None:
    await circuits.change("10.1.2.3")
    (check,) = await listed(monitoring)
    code, _, reason = await refused(delete(monitoring, check.name))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CHECK_DERIVED")
    code, fields, _ = await refused(
        update(monitoring, Check(name=check.name, address="10.0.0.1", packets=500))
    )
    assert (code, fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        ["check.address", "check.packets", "check.timeoutMs"],
    )


async def test_a_check_that_somebody_created_is_not_taken_for_the_circuits(
    monitoring: Monitoring, circuits: Circuits
) -> None:
    own = await create(
        monitoring, Check(kind=Check.ICMP, address="10.1.1.1", circuit="x"), check_id="main"
    )
    assert own.circuit == ""
    await circuits.change("10.1.2.3")
    await circuits.change("10.1.2.3", deleted=True)
    assert await listed(monitoring) == [own]


async def test_the_checks_of_a_deleted_point_go(monitoring: Monitoring) -> None:
    made = await create(monitoring, Check(kind=Check.ICMP, address="10.1.2.3"))
    event = event_of(PointDeleted(point=Point(name=POINT)), POINT).numbered(2)
    async with monitoring.database.transaction() as connection:
        await keep_point(connection, event)
    assert await listed(monitoring) == []
    assert [one.action for one in await changes(monitoring, made.name)] == ["delete", "create"]
