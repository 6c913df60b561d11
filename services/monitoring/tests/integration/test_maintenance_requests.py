"""Maintenance windows are requested, decided about, listed and told."""

from collections.abc import Sequence
from typing import Any

import pytest
from common.caller import CALLER, Caller
from common.errors import FieldsInvalid
from monitoring.domain.window_states import (
    MaintenanceOver,
    MaintenanceStateWrong,
    NotRequester,
    OwnRequest,
)
from monitoring.operations.request_maintenance import change_request, request_maintenance
from monitoring.operations.turn_maintenance import turn_windows
from monitoring.testing import NOON, REGION, Monitoring
from monitoring.testing_maintenance import (
    MINUTE,
    approve,
    approved,
    caller,
    cancel,
    clock_at,
    minutes_of,
    reject,
    request,
    rows,
    stored,
    window,
)
from smartcity.monitoring.v1 import change_pb2, maintenance_window_pb2
from smartcity.monitoring.v1.events_pb2 import MaintenanceApproved, MaintenanceCancelled
from smartcity.monitoring.v1.maintenance_window_pb2 import MaintenanceWindow


async def test_nobody_approves_their_own_request(monitoring: Monitoring) -> None:
    asked = await request(monitoring, window(10, 20))
    with pytest.raises(OwnRequest, match="siti requested it, so siti") as refused:
        await approve(monitoring, by="siti")
    assert refused.value.metadata == {"requester": "siti", "approver": "siti"}
    assert await stored(monitoring) == asked


async def test_a_decision_that_does_not_fit_the_state_is_refused(monitoring: Monitoring) -> None:
    await request(monitoring, window(10, 20), "rejected")
    refused = await reject(monitoring, "rejected")
    assert (refused.decider, refused.explanation) == ("budi", "ujian")
    for act in (approve, reject, cancel):
        with pytest.raises(MaintenanceStateWrong, match="is REJECTED"):
            await act(monitoring, "rejected")
    await approved(monitoring, window(10, 20), "over")
    await request(monitoring, window(10, 20), "late")
    clock_at(monitoring, 20)
    with pytest.raises(MaintenanceOver, match="over since 2026-11-24T04:20:00"):
        await cancel(monitoring, "over")
    with pytest.raises(MaintenanceOver):
        await approve(monitoring, "late")
    assert (await cancel(monitoring, "late")).state == MaintenanceWindow.CANCELLED
    assert await turn_windows(monitoring.needs) == 1


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_stored(
    monitoring: Monitoring,
) -> None:
    wrong = window(
        10,
        10,
        points=["P-0", f"{REGION}/points/NO-SUCH", "regions/64.09/points/P-0"],
        districts=[f"{REGION}/districts/64.01.77"],
        providers=[f"{REGION}/providers/nobody"],
    )
    wrong.ClearField("title")
    wrong.start_time.nanos = 5
    with pytest.raises(FieldsInvalid) as refused:
        await request(monitoring, wrong, "not an id")
    assert {violation.field.removeprefix("maintenanceWindow.") for violation in _all(refused)} == {
        "maintenanceWindowId",
        "title",
        "points[0]",
        "points[1]",
        "points[2]",
        "districts[0]",
        "providers[0]",
        "startTime",
    }
    assert await rows(monitoring, "SELECT window_id FROM maintenance_windows") == []


def _all(refused: pytest.ExceptionInfo[FieldsInvalid]) -> Sequence[Any]:
    return refused.value.violations


YEARS = 60 * 24 * 365 * 3


@pytest.mark.parametrize(
    ("made", "field", "said"),
    [
        (window(10, 20, points=[]), "points", "must cover something"),
        (window(10, 10), "endTime", "1 minute to 31 days after"),
        (window(10, 10 + 60 * 24 * 32), "endTime", "1 minute to 31 days after"),
        (window(-20, -10), "endTime", "is over: it is 2026-11-24T04:00:00"),
        (window(-YEARS, -YEARS + 10), "startTime", "must lie between 2026-10-24"),
        (window(YEARS, YEARS + 10), "startTime", "must lie between"),
        (window(10, 20, recurrence="FREQ=SECONDLY;COUNT=9"), "recurrence", "FREQ=DAILY|WEEKLY"),
        (window(10, 20, recurrence="FREQ=DAILY"), "recurrence", "no window is without end"),
        (window(10, 20, recurrence="FREQ=MONTHLY;COUNT=99"), "recurrence", "must end before"),
        (window(10, 2000, recurrence="FREQ=DAILY;COUNT=9"), "recurrence", "begins again at"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_with_the_reason(
    monitoring: Monitoring, made: MaintenanceWindow, field: str, said: str
) -> None:
    with pytest.raises(FieldsInvalid) as refused:
        await request(monitoring, made)
    (violation,) = _all(refused)
    assert violation.field == f"maintenanceWindow.{field}"
    assert said in violation.message
    assert await rows(monitoring, "SELECT window_id FROM maintenance_windows") == []


async def test_a_time_out_of_the_calendar_and_a_region_without_a_zone_are_refused(
    monitoring: Monitoring,
) -> None:
    made = window(10, 20)
    made.start_time.seconds = 2**60
    with pytest.raises(FieldsInvalid, match=r"startTime: is no time of the calendar"):
        await request(monitoring, made)
    nowhere = maintenance_window_pb2.CreateMaintenanceWindowRequest(
        parent="regions/99.01", maintenance_window=window(10, 20)
    )
    with pytest.raises(FieldsInvalid, match=r"regions/99\.01 lies in no known time zone"):
        await request_maintenance(monitoring.needs, nowhere)


async def test_a_dry_run_tells_occurrences_and_points_and_stores_nothing(
    monitoring: Monitoring,
) -> None:
    made = window(
        10,
        40,
        districts=[f"{REGION}/districts/64.01.02"],
        recurrence="FREQ=DAILY;COUNT=12",
    )
    shown = await request(monitoring, made, validate_only=True)
    assert [minutes_of(one) for one in shown.occurrences] == [
        (10 + 1440 * day, 40 + 1440 * day) for day in range(10)
    ]
    assert (shown.occurrence_count, shown.point_count) == (12, 7)
    assert await rows(monitoring, "SELECT window_id FROM maintenance_windows") == []
    await request(monitoring, made)
    assert (await approve(monitoring, validate_only=True)).state == MaintenanceWindow.APPROVED
    assert (await stored(monitoring)).state == MaintenanceWindow.REQUESTED


async def test_what_only_we_write_cannot_be_given_and_a_request_repeats_its_answer(
    monitoring: Monitoring,
) -> None:
    made = window(10, 20, state=MaintenanceWindow.APPROVED, decider="nobody", notice_hours=99)
    first = await request(monitoring, made, request_id="r-1")
    assert (first.state, first.decider) == (MaintenanceWindow.REQUESTED, "")
    assert first.notice_hours == pytest.approx(1 / 6)
    again = window(10, 20, state=MaintenanceWindow.APPROVED, decider="nobody", notice_hours=99)
    assert await request(monitoring, again, request_id="r-1") == first


async def change(monitoring: Monitoring, change: MaintenanceWindow, by: str) -> MaintenanceWindow:
    asked = maintenance_window_pb2.UpdateMaintenanceWindowRequest(maintenance_window=change)
    with caller(by):
        return await change_request(monitoring.needs, asked)


async def test_only_the_requester_changes_a_request_that_nobody_decided_about(
    monitoring: Monitoring,
) -> None:
    asked = await request(monitoring, window(10, 20))
    changed = MaintenanceWindow(name=asked.name, recurrence="FREQ=DAILY;COUNT=2")
    with pytest.raises(NotRequester, match="siti requested it, so budi"):
        await change(monitoring, changed, "budi")
    clock_at(monitoring, 5)
    stored_ = await change(monitoring, changed, "siti")
    assert [minutes_of(one) for one in stored_.occurrences] == [(10, 20), (1450, 1460)]
    assert stored_.notice_hours == pytest.approx(5 / 60)
    assert await change(monitoring, changed, "siti") == stored_
    await approve(monitoring)
    with pytest.raises(MaintenanceStateWrong, match="is APPROVED; it must be REQUESTED"):
        await change(monitoring, changed, "siti")


async def test_the_history_says_who_silenced_what_and_others_are_told(
    monitoring: Monitoring,
) -> None:
    await approved(monitoring, window(10, 20))
    await cancel(monitoring)
    history = await monitoring.stub.ListChanges(
        change_pb2.ListChangesRequest(name=f"{REGION}/maintenanceWindows/w")
    )
    assert [(change.action, change.actor, change.grant) for change in history.changes] == [
        ("cancel", "siti", "64.01/operator"),
        ("approve", "budi", "64.01/operator"),
        ("create", "siti", "64.01/operator"),
    ]
    assert history.changes[0].after["explanation"] == "hujan"
    bodies = await rows(
        monitoring,
        "SELECT body FROM outbox WHERE resource LIKE '%/maintenanceWindows/w' ORDER BY sequence",
    )
    approval = MaintenanceApproved.FromString(bodies[0][0])
    assert (approval.maintenance_window.state, approval.maintenance_window.decider) == (
        MaintenanceWindow.APPROVED,
        "budi",
    )
    assert {"state", "decider", "decideTime"} <= set(approval.changed_fields)
    cancellation = MaintenanceCancelled.FromString(bodies[1][0])
    assert cancellation.maintenance_window == await stored(monitoring)


async def listed(monitoring: Monitoring, **fields: Any) -> list[str]:
    """Return the ids that a list gives, page after page of two."""
    found: list[str] = []
    token = ""
    while True:
        answer = await monitoring.stub.ListMaintenanceWindows(
            maintenance_window_pb2.ListMaintenanceWindowsRequest(
                parent=REGION, page_size=2, page_token=token, **fields
            )
        )
        found += [one.name.rpartition("/")[2] for one in answer.maintenance_windows]
        token = answer.next_page_token
        if not token:
            assert answer.total_size == len(found)
            return found


async def test_windows_are_listed_by_state_point_and_time(monitoring: Monitoring) -> None:
    await request(monitoring, window(10, 20), "a")
    await approved(monitoring, window(10, 30, districts=[f"{REGION}/districts/64.01.02"]), "b")
    await approved(monitoring, window(5, 15, recurrence="FREQ=DAILY;COUNT=2"), "c")
    await approved(monitoring, window(12, 40), "d")
    clock_at(monitoring, 25)
    await cancel(monitoring, "d")
    assert await listed(monitoring) == ["d", "b", "a", "c"]
    assert await listed(monitoring, state=[MaintenanceWindow.APPROVED]) == ["b", "c"]
    assert await listed(monitoring, point=f"{REGION}/points/P-0") == ["d", "a", "c"]
    assert await listed(monitoring, point=f"{REGION}/points/P-1") == ["b"]
    moment = maintenance_window_pb2.ListMaintenanceWindowsRequest().at_time
    for minute, wanted in ((9, ["c"]), (19, ["d", "b", "a"]), (26, ["b"]), (1445, ["c"])):
        moment.FromDatetime(NOON + minute * MINUTE)
        assert await listed(monitoring, at_time=moment) == wanted, minute


async def test_another_region_sees_nothing_of_a_window(monitoring: Monitoring) -> None:
    await approved(monitoring, window(0, 10))
    tables = ("maintenance_windows", "maintenance_occurrences", "maintenance_spans")
    token = CALLER.set(Caller("budi", "64.09"))
    try:
        seen = [await rows(monitoring, f"SELECT 1 FROM {table}") for table in tables]  # noqa: S608
    finally:
        CALLER.reset(token)
    assert seen == [[], [], []]
    assert [await rows(monitoring, f"SELECT 1 FROM {table}") for table in tables] == [[(1,)]] * 3  # noqa: S608
