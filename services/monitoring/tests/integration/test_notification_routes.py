"""Routes: what is wrong with one is said at once, and its addresses are seen by nobody."""

import asyncio
import base64
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiosmtpd.controller import Controller
from common.rpc.refusals import Refusal, refusal_of
from common.sealing import Keyring
from devstack.ports import free_ports
from devstack.process import child_environment
from google.protobuf.field_mask_pb2 import FieldMask
from monitoring.domain.wording import Text
from monitoring.operations.reseal_routes import reseal_routes
from monitoring.operations.send_notifications import send_to
from monitoring.sending.process import Outcome
from monitoring.testing import KEYRING, REGION
from smartcity.monitoring.v1 import notification_route_pb2 as routes
from smartcity.monitoring.v1.delivery_pb2 import Delivery, ListDeliveriesRequest
from smartcity.monitoring.v1.incident_pb2 import Incident

Make = Callable[..., Incident]
SECRETS = ("s3cr3t-word", "t0k3n-of-the-hook", "h3ad3r-value")
TEXT = Text("Judul", "Isi")


def secret_url(receiver: Any) -> str:
    word, token, header = SECRETS
    return f"json://user:{word}@127.0.0.1:{receiver.port}/{token}?+Authorization={header}"


async def refused(call: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return refusal_of(failed.value)


def updating(route: routes.NotificationRoute, *paths: str) -> routes.UpdateNotificationRouteRequest:
    mask = FieldMask(paths=paths)
    return routes.UpdateNotificationRouteRequest(notification_route=route, update_mask=mask)


async def test_a_route_is_answered_with_its_defaults_and_masked_targets(desk: Any) -> None:
    created = await desk.route(targets=[routes.NotificationTarget(url=secret_url(desk.receiver))])
    assert (created.language_code, created.group_wait_s) == ("id", 30)
    assert [target.url for target in created.targets] == ["json://127.0.0.1/***"]
    got = await desk.stub.GetNotificationRoute(
        routes.GetNotificationRouteRequest(name=created.name)
    )
    listed = await desk.stub.ListNotificationRoutes(
        routes.ListNotificationRoutesRequest(parent=REGION)
    )
    assert [got] == list(listed.notification_routes) == [created]


async def test_secrets_are_in_no_row_log_or_answer_but_reach_the_receiver(
    desk: Any, make_incident: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    target = routes.NotificationTarget(url=secret_url(desk.receiver))
    broken = routes.NotificationTarget(url=secret_url(desk.receiver).replace("127.0.0.1", "[::1]"))
    wrong = await refused(desk.route("wrong", targets=[broken]))
    created = await desk.route(targets=[target], repeat_interval_s=600)
    created.display_name = "Meja lain"
    await desk.stub.UpdateNotificationRoute(updating(created))
    desk.receiver.answer = 401
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    tested = await desk.stub.TestNotificationRoute(
        routes.TestNotificationRouteRequest(name=created.name)
    )
    async with desk.monitoring.database.read() as connection:
        tables = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace ="
            " 'public'::regnamespace AND has_table_privilege(oid, 'SELECT')"
        )
        rows = [
            str(await connection.fetch(f"SELECT t::text FROM {name} AS t"))  # noqa: S608 - of a catalogue
            for (name,) in tables
        ]
    seen = "\n".join(
        [*rows, *map(str, await desk.deliveries()), str(tested), str(wrong), *capfd.readouterr()]
    )
    assert "notificationRoutes/desk" in seen
    assert [secret for secret in SECRETS if secret in seen] == []
    async with desk.monitoring.database.read() as connection:
        changes = await connection.fetch(
            "SELECT changed_fields, after FROM changes ORDER BY change_id"
        )
    assert "targets" in changes[0]["changed_fields"]
    assert changes[1]["changed_fields"] == ["displayName"]
    assert "displayName" in changes[1]["after"]
    desk.receiver.answer = 200
    await desk.after(hours=1)
    assert await desk.told() == [("OPENED", "SENT"), ("REPEATED", "WAITING")]


@pytest.mark.parametrize(
    ("url", "reason", "said"),
    [
        ("file:///etc/passwd", "TARGET_SCHEME", "mailto"),
        ("syslog://", "TARGET_SCHEME", "tgram"),
        ("dbus://", "TARGET_SCHEME", "jsons"),
        ("no address", "TARGET_SCHEME", "json"),
        ("tgram://bad", "TARGET_UNREADABLE", "tgram"),
        ("json://", "TARGET_UNREADABLE", "json"),
        ("jsons://example.org/?redirect=yes", "TARGET_PARAMETER", "'redirect'"),
        ("tgram://1:a/2?template=/etc/passwd", "TARGET_PARAMETER", "'template'"),
        ("json://10.0.0.1/", "TARGET_ADDRESS", "10.0.0.1"),
        ("json://169.254.169.254/latest", "TARGET_ADDRESS", "169.254.169.254"),
        ("json://[::1]/", "TARGET_ADDRESS", "::1"),
        ("json://[::ffff:192.168.1.1]/", "TARGET_ADDRESS", "192.168.1.1"),
        ("mailto://u:p@example.org?smtp=192.168.1.1", "TARGET_ADDRESS", "192.168.1.1"),
    ],
)
async def test_an_address_that_is_not_allowed_is_refused_with_what_is(
    desk: Any, url: str, reason: str, said: str
) -> None:
    refusal = await refused(desk.route(targets=[routes.NotificationTarget(url=url)]))
    (violation,) = refusal.violations
    assert violation.field == "notificationRoute.targets[0].url"
    assert violation.reason == reason
    assert said in violation.message


async def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_stored(desk: Any) -> None:
    targets = [
        routes.NotificationTarget(url="file:///x"),
        routes.NotificationTarget(url="json://10.0.0.1/?template=a&redirect=b"),
        routes.NotificationTarget(target_id="0badf00d"),
    ]
    refusal = await refused(
        desk.route(
            targets=targets,
            language_code="fr",
            repeat_interval_s=5,
            districts=["regions/64.09/districts/64.09.01"],
            quiet_hours=routes.QuietHours(start_time="9:00", end_time="25:00"),
            escalate_to=f"{REGION}/notificationRoutes/desk",
        )
    )
    where = "notificationRoute"
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    assert set(refusal.fields) == {
        where,
        f"{where}.languageCode",
        f"{where}.repeatIntervalS",
        f"{where}.districts",
        f"{where}.quietHours.startTime",
        f"{where}.quietHours.endTime",
        f"{where}.quietHours.urgentPriority",
        f"{where}.escalateTo",
        f"{where}.targets[0].url",
        f"{where}.targets[1].url",
        f"{where}.targets[2].targetId",
    }
    listed = await desk.stub.ListNotificationRoutes(
        routes.ListNotificationRoutesRequest(parent=REGION)
    )
    assert listed.total_size == 0


@pytest.mark.parametrize(("parent", "route_id"), [("x", "desk"), (REGION, "a/b"), ("", "")])
async def test_a_name_that_is_none_is_refused_with_what_is_wrong(
    desk: Any, parent: str, route_id: str
) -> None:
    request = routes.CreateNotificationRouteRequest(
        parent=parent,
        notification_route_id=route_id,
        notification_route=routes.NotificationRoute(display_name="Meja"),
    )
    refusal = await refused(desk.stub.CreateNotificationRoute(request))
    assert refusal.code == grpc.StatusCode.INVALID_ARGUMENT
    wrong = "parent" if parent != REGION else "notificationRouteId"
    assert set(refusal.fields) == {wrong, "notificationRoute.targets"}


async def test_a_target_that_comes_back_masked_keeps_its_address(
    desk: Any, make_incident: Make
) -> None:
    created = await desk.route()
    one, other = (
        routes.NotificationTarget(url=desk.receiver.url("/second")),
        routes.NotificationTarget(target_id=created.targets[0].target_id),
    )
    created.targets.append(one)
    both = await desk.stub.UpdateNotificationRoute(updating(created, "targets"))
    assert len({target.target_id for target in both.targets}) == 2
    await desk.hear(make_incident(1))
    await desk.after(seconds=30)
    assert len(desk.receiver.got) == 2
    del both.targets[:]
    both.targets.append(other)
    await desk.stub.UpdateNotificationRoute(updating(both, "*"))
    await desk.hear(make_incident(2))
    await desk.after(seconds=30)
    assert len(desk.receiver.got) == 3


async def test_a_route_that_another_escalates_to_is_not_deleted(desk: Any) -> None:
    chief = await desk.route("chief")
    await desk.route(escalate_to=chief.name, escalate_after_s=60)
    deleting = routes.DeleteNotificationRouteRequest(name=chief.name)
    assert (await refused(desk.stub.DeleteNotificationRoute(deleting))).reason == "ROUTE_IN_USE"
    missing = f"{REGION}/notificationRoutes/none"
    unknown = await refused(desk.route("third", escalate_to=missing, escalate_after_s=60))
    assert unknown.fields == {"notificationRoute.escalateTo": f"there is no {missing}"}


async def test_a_request_id_gives_the_same_route_and_a_stale_etag_none(desk: Any) -> None:
    target = routes.NotificationTarget(url=desk.receiver.url())
    request = routes.CreateNotificationRouteRequest(
        parent=REGION,
        request_id="once",
        notification_route=routes.NotificationRoute(display_name="Meja", targets=[target]),
    )
    first = await desk.stub.CreateNotificationRoute(request)
    assert await desk.stub.CreateNotificationRoute(request) == first
    changed = routes.NotificationRoute(name=first.name, display_name="B", etag=first.etag)
    await desk.stub.UpdateNotificationRoute(updating(changed))
    stale = await refused(desk.stub.UpdateNotificationRoute(updating(changed)))
    assert stale.reason == "ETAG_STALE"


async def test_the_test_button_tells_what_each_target_made_of_it(desk: Any) -> None:
    (closed,) = free_ports(1)
    route = await desk.route(
        targets=[
            routes.NotificationTarget(url=desk.receiver.url()),
            routes.NotificationTarget(url=f"json://127.0.0.1:{closed}/"),
        ]
    )
    request = routes.TestNotificationRouteRequest(name=route.name)
    answer = await desk.stub.TestNotificationRoute(request)
    assert [one.delivered for one in answer.results] == [True, False]
    assert [one.error for one in answer.results] == ["", "the target refused the message"]
    assert [one.target for one in answer.results] == list(route.targets)
    assert desk.receiver.titles == ["Uji coba"]
    request.name += "-none"
    assert (await refused(desk.stub.TestNotificationRoute(request))).reason == "RESOURCE_MISSING"


async def test_a_name_that_leads_into_a_private_network_is_not_called(desk: Any) -> None:
    """The resolver reads 2130706433 as 127.0.0.1, as it might read a name."""
    url = f"json://2130706433:{desk.receiver.port}/"
    needs = replace(desk.monitoring.needs, networks=[ip_network("10.0.0.0/8")])
    assert await send_to(needs, {"a": url}, TEXT, "key") == {"a": Outcome("NOT_ALLOWED")}
    assert desk.receiver.got == []
    sent = await send_to(desk.monitoring.needs, {"a": url}, TEXT, "key")
    assert sent == {"a": Outcome("DELIVERED")}


@dataclass
class Post:
    """A post office that keeps letters."""

    port: int = field(default_factory=lambda: free_ports(1)[0])
    letters: list[Any] = field(default_factory=list)

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.letters.append(envelope)
        return "250 OK"


@pytest.fixture
def post() -> Iterator[Post]:
    found = Post()
    controller = Controller(found, hostname="127.0.0.1", port=found.port)
    controller.start()
    yield found
    controller.stop()


async def test_a_letter_is_delivered_by_smtp(desk: Any, post: Post, make_incident: Make) -> None:
    url = (
        f"mailto://127.0.0.1:{post.port}/?from=desk@example.org&to=chief@example.org&mode=insecure"
    )
    route = await desk.route(targets=[routes.NotificationTarget(url=url)])
    assert route.targets[0].url == "mailto://127.0.0.1/***"
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    assert await desk.told() == [("OPENED", "SENT")]
    (letter,) = post.letters
    assert letter.rcpt_tos == ["chief@example.org"]
    assert b"Idempotency-Key: " in letter.content


async def test_deliveries_are_listed_by_state_incident_and_route_in_pages(
    desk: Any, make_incident: Make
) -> None:
    await desk.route()
    other = await desk.route("other", paused=True)
    await desk.hear(*(make_incident(number) for number in range(1, 4)))
    await desk.after(seconds=30)
    sent = await desk.deliveries(state=[Delivery.SENT])
    assert len(sent) == 3
    assert len({one.notification_id for one in sent}) == 1
    assert len(await desk.deliveries(notification_route=other.name)) == 3
    assert len(await desk.deliveries(incident=f"{REGION}/incidents/2026-0002")) == 2
    request = ListDeliveriesRequest(parent=REGION, page_size=2)
    names: list[str] = []
    while True:
        page = await desk.stub.ListDeliveries(request)
        names += [one.name for one in page.deliveries]
        assert page.total_size == 6
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(set(names)) == 6
    assert names == sorted(names, reverse=True)


async def test_targets_are_sealed_again_under_a_new_key(desk: Any, make_incident: Make) -> None:
    await desk.route()
    ring = Keyring("k2", KEYRING.keys | {"k2": bytes(range(1, 33))})
    database = desk.monitoring.database
    assert [await reseal_routes(database, ring) for _ in range(2)] == [1, 0]
    await desk.hear(make_incident())
    await desk.after(seconds=30)
    (waiting,) = await desk.deliveries()
    assert waiting.detail == "the keys file has no key 'k2'"
    desk.monitoring.needs.keyring.keys["k2"] = ring.keys["k2"]
    try:
        await desk.after(seconds=30)
    finally:
        del desk.monitoring.needs.keyring.keys["k2"]
    assert await desk.told() == [("OPENED", "SENT")]


async def test_the_command_reseals_and_says_what_key_is_missing(desk: Any, tmp_path: Path) -> None:
    await desk.route()
    file = tmp_path / "keys.json"
    packed = {f"k{n}": base64.b64encode(bytes(range(n, 32 + n))).decode() for n in (0, 1)}
    settings = {
        "SMARTCITY_DATABASE_URL": desk.monitoring.made.url,
        "SMARTCITY_CONTACT_KEYS_FILE": str(file),
    }

    async def reseal(keys: dict[str, str]) -> tuple[int | None, str]:
        file.write_text(json.dumps({"active": "k2", "keys": keys}))
        command = (sys.executable, "-m", "monitoring", "reseal")
        process = await asyncio.create_subprocess_exec(
            *command, env=child_environment(settings), stdout=PIPE, stderr=STDOUT
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode().strip()

    new = {"k2": packed["k1"]}
    assert await reseal(new) == (1, "the keys file has no key 'k1'")
    both = new | {"k1": packed["k0"]}
    assert await reseal(both) == (0, "1 notification routes were sealed anew")
    assert await reseal(new) == (0, "0 notification routes were sealed anew")
