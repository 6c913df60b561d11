"""People are told of incidents: at least once, no more often than helps, whatever dies."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psutil
import pytest
from common.events.relay import Relay
from common.postgres.database import DatabaseAway
from devstack.waiting import until
from monitoring.domain.retries import GIVEN_UP_AFTER, LONGEST
from monitoring.operations.compose_notifications import compose_notification
from monitoring.operations.run_notifier import run_notifier
from monitoring.operations.send_notifications import send_notification
from monitoring.testing import REGION
from smartcity.monitoring.v1 import notification_route_pb2 as routes
from smartcity.monitoring.v1.delivery_pb2 import Delivery
from smartcity.monitoring.v1.incident_pb2 import Incident

Make = Callable[..., Incident]
HOUR_S = 3600


async def test_an_incident_is_told_once_after_its_wait_and_then_its_end(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    await desk.hear(make_incident())
    await desk.after(seconds=29)
    assert desk.receiver.got == []
    await desk.after(seconds=1)
    await desk.hear(make_incident(state="ACKNOWLEDGED"))
    await desk.after(minutes=20)
    await desk.hear(make_incident(state="RESOLVED"))
    await desk.after(seconds=30)
    await desk.after(hours=1)
    assert desk.receiver.titles == [
        "Baru. TINGGI: Titik 1 is down",
        "Selesai. TINGGI: Titik 1 is down",
    ]
    first, last = desk.receiver.got
    assert "2026-0001 Titik 1 is down; sejak 24-11-2026 12:00 WITA; titik: 1" in first["message"]
    assert "24-11-2026 12:00 WITA sampai 24-11-2026 12:20 WITA" in last["message"]
    assert (first["type"], last["type"]) == ("warning", "success")
    assert await desk.told() == [("OPENED", "SENT"), ("RESOLVED", "SENT")]


async def test_events_that_the_bus_brings_again_are_told_once(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    desk.monitoring.tell()
    for _ in range(2):
        desk.consume()
    await desk.publish(make_incident(1), make_incident(2))
    jetstream = desk.monitoring.bus.jetstream

    async def heard() -> bool:
        return len(await desk.deliveries()) == 2

    assert await until(heard, within_s=30)
    for sequence in (1, 2):
        stored = await jetstream.get_msg("MONITORING", sequence)
        headers = {k: v for k, v in stored.headers.items() if k != "Nats-Msg-Id"}
        await jetstream.publish(stored.subject, stored.data, headers=headers)
    assert await until(desk.all_handled, within_s=30)
    await desk.after(seconds=30)
    await desk.after(hours=1)
    assert desk.receiver.titles == ["2 gangguan: Baru 2"]


async def test_ten_thousand_incidents_at_once_are_one_message(
    desk: Any, make_incident: Make
) -> None:
    await desk.route(language_code="en")
    desk.monitoring.tell()
    desk.consume()
    for start in range(1, 10_001, 500):
        await desk.publish(*(make_incident(number) for number in range(start, start + 500)))

    async def heard() -> bool:
        async with desk.monitoring.database.read() as connection:
            return bool(await connection.fetchval("SELECT count(*) = 10000 FROM deliveries"))

    assert await until(heard, within_s=150)
    await desk.after(seconds=30)
    assert desk.receiver.titles == ["10000 incidents: New 10000"]
    assert desk.receiver.got[0]["message"].endswith("- and 9980 more")
    states = {Delivery.State.Name(one.state) for one in await desk.deliveries()}
    assert states == {"SENT"}


async def test_a_part_of_another_incident_is_not_told_by_itself(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    area = make_incident(9, scope=Incident.DISTRICT, title="64.01.06", point_count=12)
    await desk.hear(make_incident(1))
    await desk.hear(make_incident(1, parent_incident=area.name), area)
    await desk.hear(make_incident(2, parent_incident=area.name))
    await desk.after(seconds=30)
    assert desk.receiver.titles == ["Baru. TINGGI: Kecamatan 64.01.06"]
    (part,) = await desk.deliveries(incident=f"{REGION}/incidents/2026-0001")
    assert part.state == Delivery.SUPPRESSED
    assert part.detail == "the incident is a part of 2026-0009"
    await desk.hear(make_incident(1))
    await desk.after(seconds=30)
    assert desk.receiver.titles[1:] == ["Baru. TINGGI: Titik 1 is down"]


async def test_one_that_is_over_within_the_wait_is_not_told(desk: Any, make_incident: Make) -> None:
    await desk.route()
    await desk.hear(make_incident(), make_incident(state="RESOLVED"))
    await desk.after(seconds=30)
    await desk.after(minutes=5)
    assert desk.receiver.got == []
    assert await desk.told() == [("OPENED", "SUPPRESSED"), ("RESOLVED", "SUPPRESSED")]


async def test_later_ones_within_the_wait_go_along(desk: Any, make_incident: Make) -> None:
    await desk.route()
    await desk.hear(make_incident(1))
    await desk.after(seconds=20)
    await desk.hear(make_incident(2, priority=Incident.CRITICAL))
    await desk.after(seconds=10)
    assert desk.receiver.titles == ["2 gangguan: Baru 2"]
    lines = desk.receiver.got[0]["message"].splitlines()
    assert [line.partition("]")[0] for line in lines[1:]] == ["- [KRITIS", "- [TINGGI"]


async def test_only_what_a_route_asks_for_is_told(desk: Any, make_incident: Make) -> None:
    await desk.route(
        least_priority=Incident.HIGH,
        scopes=[Incident.POINT, Incident.DISTRICT],
        districts=[f"{REGION}/districts/64.01.06"],
    )
    await desk.hear(
        make_incident(1, priority=Incident.MEDIUM),
        make_incident(2, district=f"{REGION}/districts/64.01.01"),
        make_incident(3, scope=Incident.PROVIDER, provider=f"{REGION}/providers/telkom"),
        make_incident(4),
    )
    await desk.after(seconds=30)
    assert desk.receiver.titles == ["Baru. TINGGI: Titik 4 is down"]
    await desk.hear(make_incident(1, priority=Incident.CRITICAL))
    await desk.after(seconds=30)
    assert desk.receiver.titles[1:] == ["Baru. KRITIS: Titik 1 is down"]


async def test_a_receiver_that_was_down_gets_it_when_it_is_up(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    desk.receiver.down()
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    (waiting,) = await desk.deliveries()
    assert (waiting.state, waiting.attempt_count) == (Delivery.WAITING, 1)
    assert waiting.detail.endswith("the target refused the message")
    desk.receiver.up()
    desk.receiver.answer = 503
    await desk.after(seconds=15)
    (waiting,) = await desk.deliveries()
    assert waiting.detail.endswith("the target refused the message with 503")
    desk.receiver.answer = 200
    await desk.after(seconds=30)
    await desk.after(hours=1)
    (sent,) = await desk.deliveries(state=[Delivery.SENT])
    assert (sent.attempt_count, sent.detail) == (3, "")
    assert len({one["key"] for one in desk.receiver.got}) == 1
    assert len(desk.receiver.got) == 2


async def test_a_receiver_that_is_down_for_a_day_is_given_up_and_seen(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    desk.receiver.down()
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    await desk.after(seconds=GIVEN_UP_AFTER.total_seconds() - LONGEST.total_seconds())
    (waiting,) = await desk.deliveries()
    assert waiting.state == Delivery.WAITING
    await desk.after(seconds=LONGEST.total_seconds())
    (failed,) = await desk.deliveries(state=[Delivery.FAILED])
    assert failed.attempt_count == 3
    await desk.hear(make_incident(state="RESOLVED"))
    await desk.after(seconds=30)
    assert (await desk.told())[1] == ("RESOLVED", "SUPPRESSED")


async def test_one_target_that_fails_does_not_make_the_other_hear_twice(
    desk: Any, make_incident: Make
) -> None:
    await desk.route(
        targets=[
            routes.NotificationTarget(url=desk.receiver.url()),
            routes.NotificationTarget(url="json://127.0.0.1:1/"),
        ]
    )
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    await desk.after(hours=1)
    (waiting,) = await desk.deliveries()
    assert (waiting.state, waiting.attempt_count) == (Delivery.WAITING, 2)
    assert len(desk.receiver.got) == 1


async def test_a_database_that_dies_before_the_answer_is_noted_sends_again_with_the_same_key(
    desk: Any, make_incident: Make, postgres_server: Any
) -> None:
    await desk.route()
    await desk.hear(make_incident())
    desk.monitoring.clock.time += timedelta(seconds=30)
    await compose_notification(desk.monitoring.needs)
    loop = asyncio.get_running_loop()

    async def kill() -> None:
        async with postgres_server.connect() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                desk.monitoring.made.name,
            )

    desk.receiver.then = lambda: asyncio.run_coroutine_threadsafe(kill(), loop).result(30)
    with pytest.raises(DatabaseAway):
        await send_notification(desk.monitoring.needs)
    assert await desk.told() == [("OPENED", "WAITING")]
    desk.receiver.then = lambda: None
    await desk.work()
    assert await desk.told() == [("OPENED", "SENT")]
    first, second = desk.receiver.got
    assert first == second


async def test_a_sending_process_that_is_killed_is_tried_again(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    await desk.hear(make_incident())

    def kill() -> None:
        for child in psutil.Process().children():
            if "monitoring.sending.process" in child.cmdline():
                child.kill()

    desk.receiver.then = kill
    await desk.after(seconds=30)
    (waiting,) = await desk.deliveries()
    assert waiting.state == Delivery.WAITING
    assert waiting.detail.endswith("the process that sends ended without an answer")
    desk.receiver.then = lambda: None
    await desk.after(seconds=15)
    assert await desk.told() == [("OPENED", "SENT")]


async def test_two_that_compose_at_once_make_one_message(desk: Any, make_incident: Make) -> None:
    await desk.route()
    await desk.hear(*(make_incident(number) for number in range(1, 300)))
    desk.monitoring.clock.time += timedelta(seconds=30)
    await asyncio.gather(*(compose_notification(desk.monitoring.needs) for _ in range(4)))
    async with desk.monitoring.database.read() as connection:
        assert await connection.fetchval("SELECT count(*) FROM notifications") == 1


async def test_two_that_send_at_once_send_it_once(desk: Any, make_incident: Make) -> None:
    await desk.route()
    await desk.hear(make_incident())
    desk.monitoring.clock.time += timedelta(seconds=30)
    await compose_notification(desk.monitoring.needs)
    needs = desk.monitoring.needs
    found = await asyncio.gather(*(send_notification(needs) for _ in range(3)))
    assert sorted(found) == [False, False, True]
    assert len(desk.receiver.got) == 1


async def test_whoever_looks_after_it_stops_repeats_and_escalation(
    desk: Any, make_incident: Make
) -> None:
    chief = await desk.route("chief", least_priority=Incident.CRITICAL, language_code="en")
    await desk.route(repeat_interval_s=HOUR_S, escalate_to=chief.name, escalate_after_s=900)
    await desk.hear(make_incident(1), make_incident(2))
    await desk.after(seconds=30)
    await desk.hear(make_incident(2, state="ACKNOWLEDGED"))
    await desk.after(minutes=15)
    assert desk.receiver.titles[1:] == ["Escalated, not acknowledged. HIGH: Titik 1 is down"]
    await desk.after(minutes=45)
    still = "Masih berlangsung, belum ditangani. TINGGI: Titik 1 is down"
    assert desk.receiver.titles[2:] == [still]
    await desk.after(hours=1)
    assert desk.receiver.titles[3:] == [still]
    await desk.hear(make_incident(1, state="ACKNOWLEDGED"))
    await desk.after(hours=3)
    assert desk.receiver.titles[4:] == []
    await desk.hear(make_incident(1, state="RESOLVED"))
    await desk.after(seconds=30)
    assert sorted(desk.receiver.titles[4:]) == [
        "Over. HIGH: Titik 1 is down",
        "Selesai. TINGGI: Titik 1 is down",
    ]


async def test_a_route_that_is_told_and_escalated_to_at_once_escalates_once(
    desk: Any, make_incident: Make
) -> None:
    head = await desk.route("head", least_priority=Incident.CRITICAL)
    chief = await desk.route("chief", group_wait_s=90, escalate_to=head.name, escalate_after_s=600)
    await desk.route(escalate_to=chief.name, escalate_after_s=60)
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    await desk.after(seconds=60)
    await desk.after(minutes=10)
    assert desk.receiver.titles == [
        "Baru. TINGGI: Titik 1 is down",
        "Eskalasi, belum ditangani. TINGGI: Titik 1 is down",
        "Eskalasi, belum ditangani. TINGGI: Titik 1 is down",
    ]


async def test_one_that_begins_again_is_not_told_again_before_its_interval(
    desk: Any, make_incident: Make
) -> None:
    await desk.route(repeat_interval_s=HOUR_S)
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    for count in range(1, 4):
        await desk.after(minutes=5)
        await desk.hear(make_incident(state="RESOLVED", reopen_count=count - 1))
        await desk.after(seconds=5)
        await desk.hear(make_incident(reopen_count=count))
        await desk.after(seconds=30)
    assert len(desk.receiver.got) == 1
    await desk.after(hours=1)
    assert desk.receiver.titles[1:] == ["Baru. TINGGI: Titik 1 is down"]
    await desk.hear(make_incident(state="RESOLVED", reopen_count=3))
    await desk.after(seconds=30)
    assert desk.receiver.titles[2:] == ["Selesai. TINGGI: Titik 1 is down"]


async def test_quiet_hours_hold_back_what_is_not_urgent(desk: Any, make_incident: Make) -> None:
    quiet = routes.QuietHours(
        start_time="11:00", end_time="13:30", urgent_priority=Incident.CRITICAL
    )
    await desk.route(quiet_hours=quiet)
    await desk.hear(
        make_incident(1), make_incident(2, priority=Incident.CRITICAL), make_incident(3)
    )
    await desk.after(seconds=30)
    assert desk.receiver.titles == ["Baru. KRITIS: Titik 2 is down"]
    await desk.hear(make_incident(3, state="RESOLVED"))
    await desk.after(minutes=89)
    assert len(desk.receiver.got) == 1
    await desk.after(minutes=1)
    assert desk.receiver.titles[1:] == ["Baru. TINGGI: Titik 1 is down"]


async def test_a_paused_or_deleted_route_tells_nobody(desk: Any, make_incident: Make) -> None:
    route = await desk.route()
    await desk.hear(make_incident(1))
    await desk.stub.DeleteNotificationRoute(routes.DeleteNotificationRouteRequest(name=route.name))
    await desk.route("other", paused=True)
    await desk.hear(make_incident(2))
    await desk.after(seconds=30)
    assert desk.receiver.got == []
    assert {one.detail for one in await desk.deliveries()} == {
        "the route is gone",
        "the route is paused",
    }


async def test_the_notifier_does_all_of_it_by_itself(desk: Any, make_incident: Make) -> None:
    await desk.route(group_wait_s=1)
    running = [
        asyncio.create_task(run_notifier(desk.monitoring.needs)),
        asyncio.create_task(
            Relay(desk.monitoring.database, desk.monitoring.bus, "MONITORING").run()
        ),
    ]
    desk.consume()
    await desk.publish(make_incident())

    async def planned() -> bool:
        return bool(await desk.deliveries())

    assert await until(planned, within_s=30)
    desk.monitoring.clock.time += timedelta(seconds=1)

    async def told() -> bool:
        return bool(await desk.told() == [("OPENED", "SENT")])

    assert await until(told, within_s=30)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert len(desk.receiver.got) == 1
