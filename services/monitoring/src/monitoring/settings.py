"""What monitoring takes from the environment."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from common.sealing import Keyring
from common.settings import (
    Address,
    BusSettings,
    DatabaseSettings,
    Migration,
    ServiceSettings,
    keyring_in,
)
from probes.target import Kind, Target
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    model_validator,
)
from pydantic_settings import NoDecode
from smartcity.monitoring.v1.check_pb2 import Check

from monitoring.operations.dependencies import NO_KEYS

MIGRATIONS = Path(__file__).parents[2] / "migrations"


Port = Annotated[int, Field(ge=0, le=65535)]


class DefaultCheck(BaseModel):
    """What a check is like that is derived from a circuit; an operator may change each one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ICMP", "STAMP", "TCP"] = "ICMP"
    port: Port = 0
    packets: Annotated[int, Field(ge=1, le=100)] = 5
    spacing_ms: Annotated[int, Field(ge=10, le=5000)] = 100
    timeout_ms: Annotated[int, Field(ge=10, le=60_000)] = 2000
    interval_s: Annotated[int, Field(ge=1, le=3600)] = 60

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "TCP" and not self.port) or (self.kind == "ICMP" and self.port):
            raise ValueError("port must be given for TCP, and must be 0 for ICMP")
        if (self.packets - 1) * self.spacing_ms + self.timeout_ms > self.interval_s * 1000:
            raise ValueError("the last packet's timeout must end within the interval")
        return self

    def draft(self) -> Check:
        """Return it as a check without a name."""
        return Check(**self.model_dump())


def _anchors(given: object) -> object:
    """Read `9.9.9.9,tcp://1.1.1.1:53`."""
    if not isinstance(given, str):
        return given
    return tuple(_anchor(word.strip()) for word in given.split(",") if word.strip())


def _anchor(word: str) -> Target:
    parts = urlsplit(word if "://" in word else f"icmp://{word}")
    kinds = {"icmp": Kind.ICMP, "tcp": Kind.TCP, "stamp": Kind.STAMP}
    without_port = parts.scheme == "tcp" and not parts.port
    if parts.scheme not in kinds or not parts.hostname or without_port:
        raise ValueError(f"{word!r} must be an address, tcp://HOST:PORT or stamp://HOST:PORT")
    return Target(kinds[parts.scheme], parts.hostname, parts.port or 0, packets=2, timeout_s=1.0)


def _parted(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_parted)]


class MonitoringSettings(ServiceSettings, DatabaseSettings):
    """The settings of the service, which has a database role of its own."""

    database_connections: int = 12
    kept_days: Annotated[int, Field(ge=2, le=3650)] = 35
    """How many days of measurements are kept; older ones are refused."""
    hourly_kept_days: Annotated[int, Field(ge=2, le=36500)] = 730
    """How many days of hourly roll-ups are kept, and never fewer than of measurements."""
    default_check: DefaultCheck = DefaultCheck()
    """JSON: what is asked at a circuit's monitored address, such as {"kind": "ICMP"}."""
    contact_keys_file: Path | None = None
    """The keys of personal data, as the inventory's; without it no notification route is taken."""
    notify_networks: Networks = ()
    """Private networks that notifications may go to, joined by commas: `10.1.0.0/16,fd00::/8`."""

    def keyring(self) -> Keyring:
        """Return the keys of the file, or exit with 2 after saying what is wrong with it."""
        return keyring_in(self.contact_keys_file) if self.contact_keys_file else NO_KEYS


class ProberSettings(BusSettings, DatabaseSettings):
    """The settings of `probe`, which has the service's database role."""

    database_connections: int = 4
    metrics_address: Address = "127.0.0.1:9101"
    health_address: Address | Literal[""] = ""
    """A plain gRPC port with nothing but health, for probes; "" is none."""
    log_level: str = "INFO"
    probe_anchors: Annotated[tuple[Target, ...], NoDecode, BeforeValidator(_anchors)] = ()
    """Addresses, joined by commas, of which some answers while the prober itself is online:
    `9.9.9.9,tcp://1.1.1.1:53`; none: the prober takes itself for online."""
    stamp_port: Annotated[int, Field(ge=1, le=65535)] = 862
    """Where STAMP checks ask that name no port."""


class MigrationSettings(Migration):
    """The settings of `migrate`, which runs under the owner's role."""

    migrations_folder: Path = MIGRATIONS
