"""The platform's services as data: one function per service, listed in `ALL` in start order."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devstack.databases import owner_of
from devstack.keys import contact_keys_file
from devstack.network.addresses import OWN
from devstack.ports import free_ports, is_free
from devstack.postgres import EmbeddedPostgres
from devstack.probes import accepts, answers_ok, reflects
from devstack.settings import StackSettings
from devstack.state import StateFolder
from devstack.waiting import Condition

DEMO_CHECK = '{"kind": "STAMP", "interval_s": 5}'
"""Without a port, which is another one at each start: the prober is told of it."""
Environment = Mapping[str, str]
LEAVE_S = 2.0
"""How long a replica that shall stop still serves, until Envoy has seen that it leaves."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the services' environments are made from."""

    settings: StackSettings
    state: StateFolder
    postgres: EmbeddedPostgres
    public_port: int
    _ports: dict[str, int] = field(default_factory=dict)

    @property
    def public_address(self) -> str:
        """HOST:PORT that everyone outside calls."""
        return f"{self.settings.host}:{self.public_port}"

    def address(self, listener: str) -> str:
        """Return HOST:PORT of an internal listener, such as `inventory-grpc`: always the same."""
        if listener not in self._ports:
            # One given already may be bound only later, so that it still looks free.
            given = {self.public_port, *self._ports.values(), *self.settings.ports.values()}
            self._ports[listener] = self.settings.ports.get(listener) or free_ports(1, given)[0]
        return f"127.0.0.1:{self._ports[listener]}"

    def prefer(self, listener: str, port: int) -> None:
        """Let an internal listener have this port, unless it has one or the port is taken."""
        taken = self.settings.ports.get(listener) or not is_free("127.0.0.1", port)
        if listener not in self._ports and not taken:
            self._ports[listener] = port

    @property
    def issuer(self) -> str:
        """The URL of the issuer whose tokens count."""
        return self.settings.oidc_issuer or f"http://{self.address('issuer')}"

    def port(self, listener: str) -> int:
        """Return the port of an internal listener."""
        return int(self.address(listener).rpartition(":")[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: how it runs, and what must run to its end before."""

    name: str
    env: Environment
    ready: Condition
    replica: int = 1
    database: bool = True
    """It has a database of its own and a `migrate` command."""
    module: str = ""
    """What `python -m` runs; "" for the name."""
    words: tuple[str, ...] = ()
    """What follows it on the command line of the service itself."""
    owner_env: Environment = field(default_factory=dict)
    """What its commands that write as the database's owner get on top of `env`."""
    load: tuple[str, ...] = ()
    """Arguments of the command that loads its first data."""

    @property
    def process(self) -> str:
        """The name of this process: `inventory`, `inventory-2`."""
        return self.name if self.replica == 1 else f"{self.name}-{self.replica}"

    def command(self, *arguments: str) -> tuple[str, ...]:
        """Return the command line of the service or of one of its commands."""
        return (sys.executable, "-m", self.module or self.name, *(arguments or self.words))


Builder = Callable[[Place], Service]


def issuer(place: Place) -> Service:
    """Give tokens to this machine; every other installation has an issuer of its own."""
    address = place.address("issuer")
    return Service(
        name="issuer",
        module="devstack.issuer",
        database=False,
        env={
            "SMARTCITY_ISSUER_ADDRESS": address,
            "SMARTCITY_ISSUER_SECRETS_FOLDER": str(place.state.secrets),
        },
        ready=answers_ok(address, "/keys"),
    )


def inventory(place: Place, replica: int = 1) -> Service:
    """Points, circuits, devices and providers."""
    folder = place.settings.data_folder
    name = "inventory" if replica == 1 else f"inventory-{replica}"
    return Service(
        name="inventory",
        replica=replica,
        env={
            **_grpc_service(place, "inventory", name),
            "SMARTCITY_CONTACT_KEYS_FILE": str(contact_keys_file(place.state.secrets)),
        },
        owner_env=_as_owner(place, "inventory"),
        load=() if folder is None else ("--region", place.settings.region, "--first", str(folder)),
        ready=accepts(place.address(f"{name}-grpc")),
    )


def sink(place: Place) -> Service:
    """Show what would be sent to people."""
    address = place.address("sink")
    return Service(
        name="sink",
        module="devstack.sink",
        database=False,
        env={"SMARTCITY_SINK_ADDRESS": address},
        ready=answers_ok(address, "/messages"),
    )


def monitoring(place: Place, replica: int = 1) -> Service:
    """Measurements, and the state that they show."""
    name = "monitoring" if replica == 1 else f"monitoring-{replica}"
    return Service(
        name="monitoring",
        replica=replica,
        env={
            **_grpc_service(place, "monitoring", name),
            "SMARTCITY_CONTACT_KEYS_FILE": str(contact_keys_file(place.state.secrets)),
            "SMARTCITY_NOTIFY_NETWORKS": "127.0.0.0/8",
            "SMARTCITY_DEFAULT_CHECK": DEMO_CHECK,
        },
        owner_env=_as_owner(place, "monitoring"),
        ready=accepts(place.address(f"{name}-grpc")),
    )


def network(place: Place) -> Service:
    """Simulate the lines of the demonstration's points."""
    settings, port = place.settings, place.port("network")
    local = has_local_issuer(settings)
    knows = local or settings.identity == "off"
    return Service(
        name="network",
        module="devstack.network",
        database=False,
        env={
            "SMARTCITY_NETWORK_PORT": str(port),
            "SMARTCITY_NETWORK_SEED": str(settings.network_seed),
            "SMARTCITY_NETWORK_FOLDER": str(place.state.of("network")),
            "SMARTCITY_NETWORK_REGION": settings.region,
            # By the gateway, which is ready last: so its start is not slowed by what is laid then.
            "SMARTCITY_NETWORK_INVENTORY_ADDRESS": place.public_address if knows else "",
            "SMARTCITY_NETWORK_ISSUER": place.issuer if local else "",
            "SMARTCITY_NETWORK_SECRETS_FOLDER": str(place.state.secrets),
            "SMARTCITY_NETWORK_LOG_LEVEL": settings.log_level,
        },
        ready=reflects(OWN, port),
    )


def prober(place: Place) -> Service:
    """Asks the points whether they answer; STAMP is for the simulated lines of `network`."""
    metrics = place.address("prober-metrics")
    return Service(
        name="prober",
        module="monitoring",
        words=("probe",),
        database=False,
        env={
            "SMARTCITY_METRICS_ADDRESS": metrics,
            "SMARTCITY_DATABASE_URL": place.postgres.url("monitoring", "monitoring"),
            "SMARTCITY_NATS_URL": f"nats://{place.address('nats')}",
            "SMARTCITY_STAMP_PORT": str(place.port("network")),
            "SMARTCITY_LOG_LEVEL": place.settings.log_level,
        },
        ready=answers_ok(metrics, "/metrics"),
    )


def gateway(place: Place) -> Service:
    """Envoy and the pages beside it: the only public listener."""
    without_tokens = {"SMARTCITY_STRANGERS_PER_S": "0"}
    return Service(
        name="gateway",
        database=False,
        env={
            "SMARTCITY_HTTP_ADDRESS": place.public_address,
            "SMARTCITY_UPSTREAMS": json.dumps(
                {name: _replicas(place, name) for name in REPLICATED}
            ),
            "SMARTCITY_PAGES_ADDRESS": place.address("gateway-pages"),
            "SMARTCITY_GRPC_ADDRESS": place.address("gateway-grpc"),
            "SMARTCITY_ENVOY_ADMIN_ADDRESS": place.address("envoy-admin"),
            "SMARTCITY_METRICS_ADDRESS": place.address("gateway-metrics"),
            "SMARTCITY_STATE_FOLDER": str(place.state.of("gateway")),
            **(without_tokens if place.settings.identity == "off" else {}),
            "SMARTCITY_TRACE_RATIO": str(place.settings.trace_ratio),
            "SMARTCITY_OTLP_ADDRESS": place.settings.otlp_address,
            "SMARTCITY_LOG_LEVEL": place.settings.log_level,
        },
        ready=answers_ok(place.public_address, "/readyz"),
    )


ALL: tuple[Builder, ...] = (issuer, inventory, sink, monitoring, network, prober, gateway)


def needed(settings: StackSettings) -> tuple[Builder, ...]:
    """Return the services that a stack with these settings runs, in start order."""
    left_out: dict[Builder, bool] = {
        issuer: not has_local_issuer(settings),
        network: settings.network == "off" or sys.platform != "linux",
    }
    return tuple(build for build in ALL if not left_out.get(build, False))


def has_local_issuer(settings: StackSettings) -> bool:
    """Tell whether tokens come from the stack's own issuer."""
    return settings.identity == "required" and not settings.oidc_issuer


REPLICATED: Mapping[str, Callable[[Place, int], Service]] = {
    "inventory": inventory,
    "monitoring": monitoring,
}
"""Those that may run more than once, by name."""


def replicas(service: Service, place: Place) -> list[Service]:
    """Return the other replicas of a service; they need no preparation."""
    numbers = range(2, place.settings.replicas + 1) if service.name in REPLICATED else ()
    return [REPLICATED[service.name](place, number) for number in numbers]


def _grpc_service(place: Place, service: str, process: str) -> Environment:
    """Return what every gRPC service takes from its environment."""
    alone = place.settings.replicas == 1
    return {
        "SMARTCITY_GRPC_ADDRESS": place.address(f"{process}-grpc"),
        "SMARTCITY_METRICS_ADDRESS": place.address(f"{process}-metrics"),
        "SMARTCITY_LEAVE_S": "0" if alone else str(LEAVE_S),
        "SMARTCITY_DATABASE_URL": place.postgres.url(service, service),
        "SMARTCITY_NATS_URL": f"nats://{place.address('nats')}",
        "SMARTCITY_IDENTITY": place.settings.identity,
        "SMARTCITY_OIDC_ISSUER": place.issuer if place.settings.identity == "required" else "",
        "SMARTCITY_TRACE_RATIO": str(place.settings.trace_ratio),
        "SMARTCITY_OTLP_ADDRESS": place.settings.otlp_address,
        "SMARTCITY_LOG_LEVEL": place.settings.log_level,
    }


def _replicas(place: Place, service: str) -> str:
    """Return the addresses of all replicas, joined by commas."""
    others = [f"{service}-{number}-grpc" for number in range(2, place.settings.replicas + 1)]
    return ",".join(place.address(name) for name in (f"{service}-grpc", *others))


def _as_owner(place: Place, service: str) -> Environment:
    owner = owner_of(service)
    return {
        "SMARTCITY_DATABASE_URL": place.postgres.url(service, owner),
        "SMARTCITY_MIGRATION_URL": place.postgres.dbmate_url(service, owner),
    }
