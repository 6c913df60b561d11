"""What tests share: a receiver that listens, incidents to tell of, an enrolled agent."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from common.events.consumer import Consumer
from common.events.event import Event, event_of
from common.events.outbox import append
from devstack.ports import free_ports
from monitoring.events.incidents import INTEREST, hearing
from monitoring.operations.compose_notifications import compose_notification
from monitoring.operations.send_notifications import send_notification
from monitoring.testing import NOON, REGION, Monitoring
from monitoring.testing_agents import Probe, create
from smartcity.monitoring.v1 import delivery_pb2
from smartcity.monitoring.v1 import notification_route_pb2 as routes
from smartcity.monitoring.v1.events_pb2 import IncidentOpened, IncidentResolved, IncidentUpdated
from smartcity.monitoring.v1.incident_pb2 import Incident

Delivery = delivery_pb2.Delivery


@dataclass
class Receiver:
    """An HTTP server that takes messages as somebody's webhook does, while it is up."""

    port: int = field(default_factory=lambda: free_ports(1)[0])
    answer: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    then: Callable[[], None] = lambda: None
    """Runs when a message has come, before it is answered."""
    _server: ThreadingHTTPServer | None = None

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.got]

    def url(self, path: str = "/") -> str:
        return f"json://127.0.0.1:{self.port}{path}"

    def up(self) -> None:
        receiver = self

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.got.append(body | {"key": self.headers["Idempotency-Key"]})
                receiver.then()
                self.send_response(receiver.answer)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Taking)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@dataclass
class Desk:
    """A monitoring whose incidents are told to a receiver."""

    monitoring: Monitoring
    receiver: Receiver
    consumers: list[asyncio.Task[None]] = field(default_factory=list)
    _sequences: dict[str, int] = field(default_factory=dict)

    @property
    def stub(self) -> Any:
        return self.monitoring.stub

    async def route(self, route_id: str = "desk", **fields: Any) -> routes.NotificationRoute:
        """Create a route to the receiver."""
        fields.setdefault("targets", [routes.NotificationTarget(url=self.receiver.url())])
        draft = routes.NotificationRoute(display_name="Meja piket", **fields)
        return await self.monitoring.stub.CreateNotificationRoute(
            routes.CreateNotificationRouteRequest(
                parent=REGION, notification_route_id=route_id, notification_route=draft
            )
        )

    async def hear(self, *incidents: Incident) -> None:
        """Handle an event about each incident, all in one transaction."""
        handle = hearing(self.monitoring.needs)
        async with self.monitoring.database.transaction() as connection:
            for one in incidents:
                self._sequences[one.name] = self._sequences.get(one.name, 0) + 1
                await handle(connection, event_about(one).numbered(self._sequences[one.name]))

    async def publish(self, *incidents: Incident) -> None:
        """Write events as the engine does; the relay publishes them."""
        async with self.monitoring.database.transaction() as connection:
            await append(connection, [event_about(one) for one in incidents])

    def consume(self) -> None:
        """Start a consumer of the bus."""
        needs = self.monitoring.needs
        consumer = Consumer(needs.database, needs.bus, INTEREST, hearing(needs))
        self.consumers.append(asyncio.create_task(consumer.run()))

    async def all_handled(self) -> bool:
        """Tell whether the consumer has nothing before it and nothing in hand."""
        info = await self.monitoring.bus.jetstream.consumer_info("MONITORING", INTEREST.consumer)
        return not info.num_pending and not info.num_ack_pending

    async def after(self, **span: float) -> None:
        """Let time pass, then do what is due."""
        self.monitoring.clock.time += timedelta(**span)
        await self.work()

    async def work(self) -> None:
        """Do what is due now."""
        while await compose_notification(self.monitoring.needs):
            pass
        while await send_notification(self.monitoring.needs):
            pass

    async def deliveries(self, **filters: Any) -> list[Delivery]:
        """Return the deliveries, the latest first."""
        request = delivery_pb2.ListDeliveriesRequest(parent=REGION, page_size=1000, **filters)
        return list((await self.monitoring.stub.ListDeliveries(request)).deliveries)

    async def told(self) -> list[tuple[str, str]]:
        """Return kind and state of each delivery, the first first."""
        return [
            (Delivery.Kind.Name(one.kind), Delivery.State.Name(one.state))
            for one in reversed(await self.deliveries())
        ]


def incident(number: int = 1, state: str = "OPEN", **fields: Any) -> Incident:
    """Return an incident that began at noon."""
    given: dict[str, Any] = {
        "scope": Incident.POINT,
        "title": f"Titik {number} is down",
        "priority": Incident.HIGH,
        "district": f"{REGION}/districts/64.01.06",
        "point_count": 1,
    }
    found = Incident(
        name=f"{REGION}/incidents/2026-{number:04}",
        state=Incident.State.Value(state),
        **given | fields,
    )
    found.start_time.FromDatetime(NOON)
    if state == "RESOLVED":
        found.end_time.FromDatetime(NOON + timedelta(minutes=20))
    return found


def event_about(one: Incident) -> Event:
    kinds = {Incident.OPEN: IncidentOpened, Incident.RESOLVED: IncidentResolved}
    kind = kinds.get(one.state, IncidentUpdated)
    return event_of(kind(incident=one), one.name)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a receiver that is up."""
    found = Receiver()
    found.up()
    yield found
    found.down()


@pytest.fixture
async def desk(monitoring: Monitoring, receiver: Receiver) -> AsyncIterator[Desk]:
    """Give a desk that hears nothing yet."""
    found = Desk(monitoring, receiver)
    yield found
    for task in found.consumers:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def make_incident() -> Callable[..., Incident]:
    """Give the function that makes incidents: number, state, fields."""
    return incident


@pytest.fixture
async def probe(monitoring: Monitoring) -> Probe:
    """Give an enrolled agent of points P-0 and P-1."""
    one = Probe(monitoring)
    await one.enrol((await create(monitoring)).enrolment_code)
    return one
