"""What the tests of events share: a database, a bus of their own, workers to kill."""

import asyncio
import shutil
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from common.events.bus import Bus, open_bus
from common.events.event import Event, event_of
from common.events.outbox import append
from common.postgres.database import Database, open_database
from devstack.nats import EmbeddedNats
from devstack.ports import free_ports
from devstack.testing import MakeDatabase, open_folder
from devstack.waiting import until
from smartcity.inventory.v1.events_pb2 import PointUpdated

MIGRATIONS = Path(__file__).with_name("migrations")
WORKER = str(Path(__file__).with_name("worker.py"))


class Cluster:
    """Three servers that keep streams together."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(9)
        self.servers: list[EmbeddedNats] = []
        routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in ports[:3])
        for number, (route, monitor, client) in enumerate(
            zip(ports[:3], ports[3:6], ports[6:], strict=True), start=1
        ):
            config = folder / f"{number}.conf"
            listen = f'name: trial, listen: "127.0.0.1:{route}", routes: [{routes}]'
            config.write_text(f"server_name: n{number}\ncluster {{ {listen} }}\n")
            store = folder / f"store-{number}"
            self.servers.append(EmbeddedNats(store, (client, monitor), config=config))

    @property
    def url(self) -> str:
        """The addresses of all, joined by commas."""
        return ",".join(server.url for server in self.servers)

    async def start(self) -> None:
        """Start them all: none is well before it has found another."""
        await asyncio.gather(*(server.start() for server in self.servers))

    async def stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.servers))

    def named(self, name: str) -> EmbeddedNats:
        return self.servers[int(name.removeprefix("n")) - 1]


@dataclass
class Town:
    """A service's database and the bus, with ways to write events and to see their effects."""

    database: Database
    database_url: str
    nats: "EmbeddedNats | Cluster"
    nats_folder: Path
    bus: Bus
    workers: list[Process] = field(default_factory=list)

    @staticmethod
    def events_about(resources: int, each: int) -> list[Event]:
        """Return events of some points, all first ones first."""
        names = [f"regions/64.01/points/P-{n}" for n in range(resources)]
        return [event_of(PointUpdated(), name) for _ in range(each) for name in names]

    @staticmethod
    def effects_of(resources: int, each: int) -> dict[str, list[int]]:
        """Return what `events_about` must lead to: each once, in order."""
        return {f"regions/64.01/points/P-{n}": list(range(1, each + 1)) for n in range(resources)}

    async def work(self, role: str, how: str = "") -> Process:
        """Start a relay or a consumer in a process of its own."""
        command = (sys.executable, WORKER, role, self.database_url, self.nats.url, how)
        self.workers.append(await asyncio.create_subprocess_exec(*command))
        return self.workers[-1]

    async def write(self, events: Sequence[Event]) -> None:
        """Commit the events, a hundred in a transaction."""
        for some in _hundreds(events):
            async with self.database.transaction() as connection:
                await append(connection, some)

    async def effects(self) -> dict[str, list[int]]:
        """Return the sequences that had an effect, in order, by resource."""
        statement = "SELECT resource, sequence FROM effects ORDER BY effect_id"
        found: dict[str, list[int]] = {}
        async with self.database.read() as connection:
            for row in await connection.fetch(statement):
                found.setdefault(row["resource"], []).append(row["sequence"])
        return found

    async def comes_to(self, wanted: dict[str, list[int]], within_s: float = 60) -> bool:
        """Wait until the effects are these."""

        async def so() -> bool:
            return await self.effects() == wanted

        return await until(so, within_s)

    async def stored(self) -> int:
        """Return how many events the stream holds."""
        info = await self.bus.jetstream.stream_info("INVENTORY")
        return int(info.state.messages)


def _hundreds(events: Sequence[Event]) -> list[Sequence[Event]]:
    return [events[start : start + 100] for start in range(0, len(events), 100)]


@pytest.fixture
async def cluster_town(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Town]:
    """Give a town whose bus is three servers, each stream still kept by one of them."""
    made = await make_database("inventory", MIGRATIONS)
    cluster = Cluster(tmp_path)
    await cluster.start()
    try:
        async with open_database(made.url) as database, open_bus(cluster.url) as bus:
            await asyncio.wait_for(bus.connected.wait(), 10)
            await bus.apply_streams()
            town = Town(database, made.url, cluster, tmp_path, bus)
            yield town
            for worker in town.workers:
                if worker.returncode is None:
                    worker.kill()
                await worker.wait()
    finally:
        await cluster.stop()


@pytest.fixture
async def town(make_database: MakeDatabase, servers_folder: Path) -> AsyncIterator[Town]:
    made = await make_database("inventory", MIGRATIONS)
    folder = open_folder("bus-", servers_folder)
    port, monitor = free_ports(2)
    server = EmbeddedNats(folder / "nats", (port, monitor))
    await server.start()
    async with open_database(made.url) as database, open_bus(server.url) as bus:
        await asyncio.wait_for(bus.connected.wait(), 10)
        await bus.apply_streams()
        town = Town(database, made.url, server, folder / "nats", bus)
        yield town
        for worker in town.workers:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()
    await server.stop()
    shutil.rmtree(folder)
