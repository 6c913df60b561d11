"""Fixtures: a real monitoring in front of a real PostgreSQL and a real NATS, with some points."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import grpc
import pytest
from common.caller import CALLER, SYSTEM
from common.events.bus import Bus, open_bus
from common.events.relay import Relay
from common.postgres.database import Database, open_database
from common.rpc.server import build_server
from common.sealing import Keyring
from devstack.nats import EmbeddedNats
from devstack.ports import free_ports
from devstack.testing import MakeDatabase, ServiceDatabase, open_folder
from smartcity.monitoring.v1 import measurement_pb2, monitoring_service_pb2_grpc, status_pb2
from smartcity.monitoring.v1.measurement_pb2 import Measurement

from monitoring.api.servicer import published
from monitoring.domain.columns import Columns
from monitoring.formats.measurement_columns import read
from monitoring.operations import write_measurements as writing
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.roll_up import roll_up
from monitoring.operations.run_incidents import run_incidents
from monitoring.operations.run_writer import keep_days, run_writer
from monitoring.settings import MIGRATIONS

REGION = "regions/64.01"
NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
"""12:00 in Paser."""
POINTS = 20
KEYRING = Keyring("k1", {"k1": bytes(range(32))})
LOOPBACK = (ip_network("127.0.0.0/8"),)
"""Where the receivers of tests listen."""
ADD_POINTS = """
INSERT INTO points (
       region_code, point_id, display_name, kind, district_code, technology, state, sequence)
SELECT '64.01', 'P-' || n, 'Titik ' || n, CASE WHEN n % 2 = 0 THEN 'SCHOOL' ELSE 'OPD' END,
       '64.01.0' || 1 + n % 3, 'FO', 'ACTIVE', 1
  FROM generate_series(0, $1 - 1) AS n
"""


@dataclass
class Clock:
    """A clock that stands until it is set."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        """Return its time."""
        return self.time


@dataclass
class Monitoring:
    """A running monitoring: how to call it, and what it stands on."""

    stub: "monitoring_service_pb2_grpc.MonitoringServiceAsyncStub"
    needs: Dependencies
    clock: Clock
    made: ServiceDatabase
    nats: EmbeddedNats
    _writers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def database(self) -> Database:
        """The service's database."""
        return self.needs.database

    @property
    def bus(self) -> Bus:
        """The bus."""
        return self.needs.bus

    def write(self) -> None:
        """Start a writer."""
        self._writers.append(asyncio.create_task(run_writer(self.needs)))

    def follow(self) -> None:
        """Start the incident engine."""
        self._writers.append(asyncio.create_task(run_incidents(self.needs)))

    def tell(self) -> None:
        """Start publishing changes."""
        relay = Relay(self.database, self.bus, "MONITORING")
        self._writers.append(asyncio.create_task(relay.run()))

    async def stop_writers(self) -> None:
        """End all writers and relays."""
        for task in self._writers:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._writers.clear()

    async def report(
        self, measurements: Sequence[Measurement]
    ) -> measurement_pb2.ReportMeasurementsResponse:
        """Report measurements of the region."""
        request = measurement_pb2.ReportMeasurementsRequest(
            parent=REGION, measurements=measurements
        )
        return await self.stub.ReportMeasurements(request)

    async def roll_up(self) -> None:
        """Roll up everything that is marked, however lately."""
        while await roll_up(self.needs, settled=timedelta(0)):
            pass

    async def status(self, number: int = 0) -> status_pb2.Status:
        """Return the status of a point."""
        name = f"{REGION}/points/P-{number}/status"
        return await self.stub.GetStatus(status_pb2.GetStatusRequest(name=name))

    async def intervals(self, number: int = 0) -> list[tuple[str, int, int | None]]:
        """Return a point's states with the seconds from noon at which each begins and ends."""
        request = status_pb2.ListStateIntervalsRequest(
            parent=f"{REGION}/points/P-{number}", page_size=1000
        )
        answer = await self.stub.ListStateIntervals(request)
        base = int(NOON.timestamp())
        return [
            (
                status_pb2.State.Name(one.state),
                one.start_time.seconds - base,
                one.end_time.seconds - base if one.HasField("end_time") else None,
            )
            for one in answer.state_intervals
        ]

    async def stored(self) -> int:
        """Return how many measurements are stored."""
        async with self.database.read() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM measurements"))


def measured(number: int, after_s: float, letter: str = "g", source: str = "icmp") -> Measurement:
    """Return a measurement of a point, seconds after noon: `g`ood, `p`oor or `s`ilent."""
    received, rtt = {"g": (10, 20.0), "p": (9, 20.0), "s": (0, None)}[letter]
    found = Measurement(
        point=f"{REGION}/points/P-{number}",
        source=source,
        packets_sent=10,
        packets_received=received,
        rtt_mean_ms=rtt,
        method="icmp",
    )
    found.time.FromDatetime(NOON + timedelta(seconds=after_s))
    return found


def columns_of(measurements: Sequence[Measurement]) -> Columns:
    """Return measurements as the writer takes them."""
    return read(measurements).columns


async def write_measurements(
    needs: Dependencies, partition: int, measurements: Sequence[Measurement]
) -> int:
    """Write measurements as the writer does; return how many were new."""
    return await writing.write_measurements(needs, partition, columns_of(measurements))


@pytest.fixture
async def own_nats(servers_folder: Path) -> AsyncIterator[EmbeddedNats]:
    """Give a NATS server of the test's own."""
    folder = open_folder("bus-", servers_folder)
    port, monitor = free_ports(2)
    server = EmbeddedNats(folder / "nats", (port, monitor))
    await server.start()
    yield server
    await server.stop()
    shutil.rmtree(folder)


@pytest.fixture
async def monitoring(
    make_database: MakeDatabase, own_nats: EmbeddedNats
) -> AsyncIterator[Monitoring]:
    """Give a running monitoring whose clock stands at noon; no writer runs yet."""
    CALLER.set(SYSTEM)
    made = await make_database("monitoring", MIGRATIONS)
    clock = Clock()
    async with open_database(made.url, size=12) as database, open_bus(own_nats.url) as bus:
        await asyncio.wait_for(bus.connected.wait(), 10)
        await bus.apply_streams()
        async with database.transaction() as connection:
            await connection.execute(ADD_POINTS, POINTS)
        needs = Dependencies(database, bus, clock, keyring=KEYRING, networks=LOOPBACK)
        await keep_days(needs)
        server = build_server("monitoring", [published(needs)])
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = monitoring_service_pb2_grpc.MonitoringServiceStub(channel)
            one = Monitoring(stub, needs, clock, made, own_nats)
            yield one
            await one.stop_writers()
        await server.stop(5)
