"""A site agent from its one-time code to the status of its point, whatever ends it meanwhile."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from devstack.callers import http_caller
from devstack.outside import Outside
from devstack.stack import Stack
from devstack.testing import Outsiders
from devstack.waiting import until
from siteagent.buffer import Buffer, Limits
from siteagent.clock import Clock, Instant
from siteagent.keys import load_identity, pending_key
from siteagent.sender import Sender
from siteagent.server import Refused, Server, Unreachable
from siteagent.store import Store
from smartcity.monitoring.v1.measurement_pb2 import Measurement

REGION = "regions/64.01"
DRAFT = {"displayName": "Titik", "kind": "SCHOOL", "village": f"{REGION}/villages/64.01.06.2012"}
YEAR_US = 365 * 86_400 * 1_000_000


@dataclass
class Site:
    """A point with an agent that is created and not enrolled yet."""

    stack: Stack
    api: httpx.AsyncClient
    point: str
    agent: str
    code: str
    folder: Path

    async def command(self, *words: str) -> tuple[int, str]:
        """Run a command of the agent to its end."""
        process = await Outside.start("-m", "siteagent", "--state", str(self.folder), *words)
        return await process.end(within_s=60), process.text

    async def enrol(self, code: str = "") -> tuple[int, str]:
        words = ("--url", self.stack.url, "--agent", self.agent, "--code", code or self.code)
        return await self.command("enrol", *words)

    async def shown(self) -> dict[str, Any]:
        answer = await self.api.get(f"/v1/{self.agent}")
        found: dict[str, Any] = answer.json()
        return found

    async def stored(self) -> list[Any]:
        """Return what is stored of the point."""
        async with self.stack.postgres.connect("monitoring") as connection:
            return list(
                await connection.fetch(
                    "SELECT measure_time, source FROM measurements WHERE point_id = $1",
                    self.point.rpartition("/")[2],
                )
            )

    async def comes_to(self, count: int) -> bool:
        async def so() -> bool:
            return len(await self.stored()) == count

        return await until(so, within_s=60)


@dataclass
class LosingAnswers(httpx.AsyncBaseTransport):
    """Carries requests to the server, and loses the answer to one of them."""

    lost: int
    inner: httpx.AsyncHTTPTransport = field(default_factory=httpx.AsyncHTTPTransport)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        await response.aread()
        self.lost -= 1
        if self.lost == 0:
            raise httpx.ReadError("the link went away")
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


class WrongClock(Clock):
    """The clock of a machine that is a year behind."""

    def now(self) -> Instant:
        right = super().now()
        return Instant(right.boot, right.since_boot_us, right.wall_us - YEAR_US)


@asynccontextmanager
async def sending(
    site: Site, transport: httpx.AsyncBaseTransport | None = None, clock: Clock | None = None
) -> AsyncIterator[Sender]:
    """Give a sender of what waits in the site's folder."""
    identity, key = load_identity(site.folder)
    store = Store(site.folder / "siteagent.db")
    try:
        async with httpx.AsyncClient(transport=transport) as client:
            buffer = Buffer(store, Limits())
            yield Sender(buffer, Server(client, identity, key), clock or Clock())
    finally:
        store.close()


def measure(sender: Sender, site: Site, count: int = 1) -> None:
    """Put measurements into the buffer, as a check does."""
    source = site.agent.rpartition("/")[2]
    body = Measurement(point=site.point, source=source, packets_sent=5, packets_received=5)
    for _ in range(count):
        sender.buffer.add(body.SerializeToString(), sender.clock.now())


@pytest.fixture
async def site(stack: Stack, api: httpx.AsyncClient, tmp_path: Path) -> Site:
    """Give an active point with an agent."""
    point = str((await api.post(f"/v1/{REGION}/points", json=DRAFT)).json()["name"])
    assert (await api.post(f"/v1/{point}:activate")).status_code == 200
    made: dict[str, Any] = {}

    async def created() -> bool:
        body = {"displayName": "Agen", "points": [point]}
        answer = await api.post(f"/v1/{REGION}/agents", json=body)
        made.update(answer.json())
        return answer.status_code == 200

    assert await until(created, within_s=20)  # monitoring learns of the point by an event
    assert made["enrolmentCode"]
    return Site(stack, api, point, made["name"], made["enrolmentCode"], tmp_path / "agent")


@pytest.fixture
async def enrolled(site: Site) -> Site:
    """Give the same, enrolled."""
    assert await site.enrol() == (0, f"{site.agent} is enrolled\n")
    return site


async def test_an_agent_measures_through_a_kill_and_nothing_is_lost_or_doubled(
    enrolled: Site, outside: Outsiders, stack: Stack
) -> None:
    settings = enrolled.folder / "siteagent.toml"
    settings.write_text(
        f'[[check]]\nkind = "HTTP"\npoint = "{enrolled.point}"\n'
        f'url = "{stack.url}/healthz"\ninterval_s = 1\n'
    )
    words = ("-m", "siteagent", "--state", str(enrolled.folder), "run", "--settings", str(settings))

    async def stored_more_than(count: int) -> None:
        async def so() -> bool:
            return len(await enrolled.stored()) > count

        assert await until(so, within_s=60)

    first = await outside(*words)
    await stored_more_than(2)
    assert (await enrolled.command("run", "--settings", str(settings)))[0] == 1  # one at a time
    await first.end(signal.SIGKILL)
    second = await outside(*words)
    await stored_more_than(len(await enrolled.stored()) + 2)
    await second.end(signal.SIGKILL)
    async with sending(enrolled) as sender:
        await sender.send_all()
    store = Store(enrolled.folder / "siteagent.db")
    figures = store.figures()
    store.close()
    assert figures["sent"] == figures["taken"]
    assert await enrolled.comes_to(figures["taken"])
    status = (await enrolled.api.get(f"/v1/{enrolled.point}/status")).json()
    assert status["state"] == "UP"
    code, said = await enrolled.command("status")
    assert code == 0
    assert f"sent: {figures['sent']}\n" in said
    assert (await enrolled.shown())["contact"]["acceptedCount"] == str(figures["taken"])


async def test_a_backlog_whose_answers_are_lost_is_stored_once(enrolled: Site) -> None:
    async with sending(enrolled) as sender:
        measure(sender, enrolled, 2500)
    waiting = [2500, 2450]
    for number_of_batch in (2, 3):  # the first asks for the time
        async with sending(enrolled, LosingAnswers(number_of_batch)) as sender:
            with pytest.raises(Unreachable):
                await sender.send_all()
            assert len(sender.buffer.choose(5000)) == waiting.pop(0)
    async with sending(enrolled) as sender:
        await sender.send_all()
    assert await enrolled.comes_to(2500)
    contact = (await enrolled.shown())["contact"]
    assert (contact["acceptedCount"], contact["rejectedCount"]) == ("3550", "0")


async def test_a_machine_in_another_year_learns_the_time_from_the_server(enrolled: Site) -> None:
    async with sending(enrolled, clock=WrongClock()) as sender:
        measure(sender, enrolled)
        with pytest.raises(Refused) as refusal:
            await sender.send_all()
        assert refusal.value.reason == "CLOCK_WRONG"
        await sender.send_all()
    assert await enrolled.comes_to(1)
    (row,) = await enrolled.stored()
    assert abs(row["measure_time"].timestamp() - time.time()) < 60
    skew_ms = int((await enrolled.shown())["contact"]["clockSkewMs"])
    assert abs(skew_ms + YEAR_US // 1000) < 60_000


async def test_a_revoked_agent_keeps_what_it_measures_until_it_is_enrolled_anew(
    enrolled: Site,
) -> None:
    assert (await enrolled.api.post(f"/v1/{enrolled.agent}:revoke")).status_code == 200
    async with sending(enrolled) as sender:
        measure(sender, enrolled)
        with pytest.raises(Refused) as refusal:
            await sender.send_all()
    assert refusal.value.reason == "BATCH_NOT_BELIEVED"
    reset = (await enrolled.api.post(f"/v1/{enrolled.agent}:resetEnrolment")).json()
    assert (await enrolled.enrol(reset["enrolmentCode"]))[0] == 0
    async with sending(enrolled) as sender:
        await sender.send_all()
    assert await enrolled.comes_to(1)


async def test_what_the_server_rejects_is_kept_aside_with_its_reason(enrolled: Site) -> None:
    async with sending(enrolled) as sender:
        body = Measurement(point=f"{REGION}/points/ANOTHER", source="x", success=True)
        sender.buffer.add(body.SerializeToString(), sender.clock.now())
        measure(sender, enrolled)
        await sender.send_all()
        assert [why.reason for why in sender.buffer.rejected()] == ["NOT_OF_AGENT"]
    assert await enrolled.comes_to(1)


async def test_a_code_works_once(enrolled: Site, tmp_path: Path) -> None:
    thief = replace(enrolled, folder=tmp_path / "thief")
    code, said = await thief.enrol()
    assert code == 1
    assert "no enrolment with this name, code and proof is open" in said
    assert enrolled.code not in said


async def test_an_enrolment_that_was_killed_before_its_end_may_be_repeated(enrolled: Site) -> None:
    """The server knows the key already; the agent does not know that it does."""
    _, pending = pending_key(enrolled.folder, enrolled.code)
    (enrolled.folder / "key.pem").replace(pending)
    (enrolled.folder / "identity.json").unlink()
    assert (await enrolled.enrol())[0] == 0
    async with sending(enrolled) as sender:
        measure(sender, enrolled)
        await sender.send_all()
    assert await enrolled.comes_to(1)


async def test_only_an_operator_makes_agents_and_a_bad_token_helps_nobody(
    enrolled: Site, stack: Stack
) -> None:
    body = {"displayName": "Agen", "points": [enrolled.point]}
    async with http_caller(stack, "64.01/viewer") as viewer:
        assert (await viewer.get(f"/v1/{enrolled.agent}")).status_code == 200
        assert (await viewer.post(f"/v1/{REGION}/agents", json=body)).status_code == 403
    async with httpx.AsyncClient(base_url=stack.url) as nobody:
        assert (await nobody.get(f"/v1/{enrolled.agent}")).status_code == 401
        empty = {"batch": "AAAA", "signature": "A" * 86 + "=="}
        answers = await asyncio.gather(
            nobody.post(f"/v1/{enrolled.agent}:submit", json=empty),
            nobody.post(f"/v1/{REGION}/agents/NO-SUCH:submit", json=empty),
            nobody.post("/v1/regions/64.09/agents/X:submit", json=empty),
        )
        told = {(a.status_code, a.json()["details"][0]["reason"]) for a in answers}
        assert told == {(401, "BATCH_NOT_BELIEVED")}
        bad = {"authorization": "Bearer x"}
        answer = await nobody.post(f"/v1/{enrolled.agent}:submit", json=empty, headers=bad)
        assert answer.json()["details"][0]["reason"] == "UNAUTHENTICATED"
