"""The accounts of the bus, on a real server with the very configuration of the cluster."""

import asyncio
import copy
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any, TypeVar

import nats.errors
import pytest
import yaml
from devstack.output import Output
from devstack.ports import free_ports
from devstack.probes import answers_ok
from devstack.process import Child, ProcessSpec, child_environment
from devstack.waiting import until
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import PubAck, StreamConfig

PASER, PPU = (
    "smartcity.6401.inventory.point.changed.v1",
    "smartcity.6409.inventory.point.changed.v1",
)
TWO_REGIONS = """
regions = ["64.01", "64.09"]
[agencies]
paser = "64.01"
ppu = "64.09"
"""
# The server closes the connection after its word, which may come first.
REFUSED = (nats.errors.Error, ConnectionError)
Run = Callable[..., CompletedProcess[str]]


@dataclass(slots=True)
class Caller:
    """A client and what the server reproached it with."""

    client: Client
    reproaches: list[str] = field(default_factory=list)

    async def is_refused(self, action: str) -> bool:
        """Tell whether the server refuses something within 10 s."""

        async def refused() -> bool:
            return any(action in reproach.lower() for reproach in self.reproaches)

        return await until(refused, 10)


@dataclass(frozen=True, slots=True)
class Bus:
    """Running servers and the seeds of their users."""

    urls: list[str]
    seeds: Path
    exits: AsyncExitStack

    async def connect(self, user: str) -> Caller:
        """Connect as a user."""
        reproaches: list[str] = []

        async def reproached(error: Exception) -> None:
            reproaches.append(str(error))

        client = Client()
        # nats-py leaves a refused connection open.
        self.exits.push_async_callback(client.close)
        seed = str(self.seeds / f"{user}.nk")
        await client.connect(self.urls, nkeys_seed=seed, error_cb=reproached, allow_reconnect=False)
        return Caller(client, reproaches)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the chart's values and `accounts.py` say, and the seeds that belong to it."""

    accounts: dict[str, Any]
    jetstream: dict[str, Any]
    seeds: Path

    def server(self, folder: Path, name: str, more: dict[str, Any]) -> tuple[str, ProcessSpec]:
        """Return the address of a server of it, and how to start that."""
        port, monitor_port = free_ports(2)
        config = {
            "server_name": name,
            "host": "127.0.0.1",
            "port": port,
            "http": f"127.0.0.1:{monitor_port}",
            "jetstream": {"store_dir": str(folder / name), **self.jetstream},
            **self.accounts,
            **more,
        }
        (folder / f"{name}.conf").write_text(json.dumps(config))
        spec = ProcessSpec(
            name=name,
            command=("nats-server", "--config", str(folder / f"{name}.conf")),
            env=child_environment(),
            ready=answers_ok(f"127.0.0.1:{monitor_port}", "/healthz"),
        )
        return f"nats://127.0.0.1:{port}", spec


@pytest.fixture(scope="module")
def configuration(
    tmp_path_factory: pytest.TempPathFactory, k8s: Path, run_script: Run
) -> Configuration:
    """Give what two regions with an agency each are made."""
    folder = tmp_path_factory.mktemp("bus")
    (folder / "two.toml").write_text(TWO_REGIONS)
    made = run_script("nats/accounts.py", "seeds", folder / "two.toml", folder / "seeds")
    assert made.returncode == 0, made.stderr
    values = run_script("nats/accounts.py", "values", folder / "two.toml", folder / "seeds")
    common = yaml.safe_load((k8s / "nats/values.yaml").read_text())["config"]
    accounts = yaml.safe_load(values.stdout)["config"]["merge"]
    return Configuration(accounts, common["jetstream"]["merge"], folder / "seeds")


@pytest.fixture(scope="module")
async def bus(
    tmp_path_factory: pytest.TempPathFactory, configuration: Configuration
) -> AsyncIterator[Bus]:
    """Give one server of the configuration."""
    url, spec = configuration.server(tmp_path_factory.mktemp("server"), "nats-0", {})
    async with AsyncExitStack() as exits:
        child = Child(spec, Output().sink("nats"))
        await child.start()
        exits.push_async_callback(child.stop)
        yield Bus([url], configuration.seeds, exits)


@pytest.fixture
async def platform(bus: Bus) -> AsyncIterator[Client]:
    """Give the platform's client, with an empty stream of all regions' events."""
    caller = await bus.connect("platform")
    stream = StreamConfig(name="INVENTORY", subjects=["smartcity.*.inventory.>"])
    await caller.client.jetstream().add_stream(stream)
    yield caller.client
    await caller.client.jetstream().delete_stream("INVENTORY")


async def test_an_agency_gets_the_events_of_its_region_alone(bus: Bus, platform: Client) -> None:
    paser, ppu = await bus.connect("paser"), await bus.connect("ppu")
    heard = [
        await paser.client.subscribe("smartcity.6401.>"),
        await ppu.client.subscribe("smartcity.6409.>"),
    ]
    await paser.client.flush()
    await ppu.client.flush()
    for subject in (PPU, PASER, PPU, PASER):
        await platform.jetstream().publish(subject, subject.encode())
    got = [[(await one.next_msg(timeout=10)).data.decode() for _ in range(2)] for one in heard]
    assert got == [[PASER, PASER], [PPU, PPU]]


@pytest.mark.parametrize("subject", ["smartcity.6409.>", "smartcity.>", ">", "telemetry.>"])
async def test_an_agency_may_not_ask_for_more(bus: Bus, platform: Client, subject: str) -> None:
    paser = await bus.connect("paser")
    await paser.client.subscribe(subject)
    assert await paser.is_refused("permissions violation for subscription")
    assert platform.is_connected


@pytest.mark.parametrize("subject", [PASER, PPU, "$JS.API.STREAM.NAMES", "$JS.API.INFO"])
async def test_an_agency_may_not_publish_nor_manage(
    bus: Bus, platform: Client, subject: str
) -> None:
    paser = await bus.connect("paser")
    await paser.client.publish(subject, b"{}", reply="answers.here")
    assert await paser.is_refused("permissions violation for publish")
    assert (await platform.jetstream().stream_info("INVENTORY")).state.messages == 0


async def test_the_streams_sync_every_message(bus: Bus) -> None:
    operator = await bus.connect("sys")
    answer = await operator.client.request("$SYS.REQ.SERVER.PING.JSZ", timeout=10)
    settings: dict[str, Any] = json.loads(answer.data)["data"]["config"]
    assert settings["sync_always"] is True


async def test_a_neighbour_joins_without_a_restart(
    tmp_path: Path, configuration: Configuration
) -> None:
    alone = copy.deepcopy(configuration.accounts)
    del alone["accounts"]["ppu"]
    exports = alone["accounts"]["PLATFORM"]["exports"]
    exports[:] = [one for one in exports if "ppu" not in one["accounts"]]
    url, spec = configuration.server(tmp_path, "nats-0", alone)
    async with AsyncExitStack() as exits:
        child = Child(spec, Output().sink("nats"))
        await child.start()
        exits.push_async_callback(child.stop)
        bus = Bus([url], configuration.seeds, exits)
        platform = await bus.connect("platform")
        file = tmp_path / "nats-0.conf"
        file.write_text(json.dumps(json.loads(file.read_text()) | configuration.accounts))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGHUP)
        ppu = await joined(bus, "ppu")
        heard = await ppu.client.subscribe("smartcity.6409.>")
        await ppu.client.flush()
        await platform.client.publish(PPU, b"")
        assert (await heard.next_msg(timeout=10)).subject == PPU


async def joined(bus: Bus, user: str) -> Caller:
    """Connect as soon as the server knows the user."""
    callers: list[Caller] = []

    async def let_in() -> bool:
        try:
            callers.append(await bus.connect(user))
        except REFUSED:
            return False
        return True

    assert await until(let_in, 10)
    return callers[0]


async def test_three_servers_keep_what_they_acknowledged_through_the_death_of_all(
    tmp_path: Path, configuration: Configuration
) -> None:
    routes = free_ports(3)
    urls, children = [], []
    for number, port in enumerate(routes):
        others = [f"nats://127.0.0.1:{other}" for other in routes if other != port]
        cluster = {"name": "nats", "host": "127.0.0.1", "port": port, "routes": others}
        url, spec = configuration.server(tmp_path, f"nats-{number}", {"cluster": cluster})
        urls.append(url)
        children.append(Child(spec, Output().sink(spec.name)))
    async with AsyncExitStack() as exits:
        for child in children:
            exits.push_async_callback(child.stop)
        await asyncio.gather(*(child.start() for child in children))
        bus = Bus(urls, configuration.seeds, exits)
        before = (await bus.connect("platform")).client.jetstream()
        await applied(before)
        for number in range(100):
            await answered(partial(published, before, number))
        deaths = [child.pid for child in children if child.pid is not None]
        assert len(deaths) == 3
        for pid in deaths:
            os.kill(pid, signal.SIGKILL)

        async def all_anew() -> bool:
            return all([child.pid not in deaths and await child.is_ready() for child in children])

        assert await until(all_anew, 60)
        after = (await bus.connect("platform")).client.jetstream()
        assert await messages_in(after) == 100


async def published(jetstream: JetStreamContext, number: int) -> PubAck:
    """Publish a message, which is stored once however often it is sent."""
    headers = {"Nats-Msg-Id": str(number)}
    return await jetstream.publish(PASER, str(number).encode(), headers=headers)


async def applied(jetstream: JetStreamContext) -> None:
    """Make the stream on three servers, as soon as they have found each other."""
    stream = StreamConfig(name="INVENTORY", subjects=["smartcity.*.inventory.>"], num_replicas=3)
    await answered(lambda: jetstream.add_stream(stream))


async def messages_in(jetstream: JetStreamContext) -> int:
    """Return how many messages the stream has, as soon as it has a leader."""
    info = await answered(lambda: jetstream.stream_info("INVENTORY"))
    return info.state.messages


Answer = TypeVar("Answer")


async def answered(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask until the servers have agreed on who answers."""
    answers: list[Answer] = []

    async def come() -> bool:
        try:
            answers.append(await ask())
        except (nats.errors.Error, TimeoutError):
            return False
        return True

    assert await until(come, 60)
    return answers[0]


@pytest.mark.parametrize("seed", ["stranger", None])
async def test_a_stranger_is_not_let_in(
    bus: Bus, tmp_path: Path, run_script: Run, seed: str | None
) -> None:
    (tmp_path / "other.toml").write_text(TWO_REGIONS)
    other = tmp_path / "other"
    run_script("nats/accounts.py", "seeds", tmp_path / "other.toml", other)
    key = str(other / "platform.nk") if seed else None
    client = Client()
    try:
        with pytest.raises(REFUSED):
            await client.connect(bus.urls, allow_reconnect=False, nkeys_seed=key)
    finally:
        await client.close()


def test_seeds_are_the_owners_alone_and_are_kept(tmp_path: Path, run_script: Run) -> None:
    (tmp_path / "two.toml").write_text(TWO_REGIONS)
    words = ("nats/accounts.py", "seeds", tmp_path / "two.toml", tmp_path / "seeds")
    run_script(*words)
    before = {path.name: path.read_bytes() for path in (tmp_path / "seeds").iterdir()}
    (tmp_path / "seeds" / "ppu.nk").unlink()
    run_script(*words)
    after = {path.name: path.read_bytes() for path in (tmp_path / "seeds").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"ppu.nk"}
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "seeds").iterdir()}
    assert modes == {0o600}


def test_values_hold_no_seed(tmp_path: Path, k8s: Path, run_script: Run) -> None:
    ten = k8s / "environments/ten-regencies.toml"
    run_script("nats/accounts.py", "seeds", ten, tmp_path)
    made = run_script("nats/accounts.py", "values", ten, tmp_path).stdout
    seeds = [path.read_text() for path in tmp_path.glob("*.nk")]
    assert len(seeds) == 12
    assert [seed for seed in seeds if seed in made] == []


def test_a_wrong_environment_is_refused_with_all_that_is_wrong(
    tmp_path: Path, run_script: Run
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('regions = ["6401"]\ncolour = 1\n[agencies]\nsys = "64.01"\nppu = "64.09"\n')
    refused = run_script("nats/accounts.py", "users", wrong)
    assert refused.returncode == 2
    told = refused.stderr
    assert [word in told for word in ("'6401'", "colour", "'sys'", "'64.09'")] == [True] * 4
