"""Settings: the environment, read once, into frozen values; a wrong one refuses to start."""

import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from common.sealing import Keyring
from common.setting_kinds import (
    AuthorityFile,
    SecretFile,
    SeedFile,
    TlsFolder,
    is_a_file,
    without_secrets,
)

PREFIX = "SMARTCITY_"
IN_A_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""Kubernetes sets it in every container."""


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004
        raise ValueError("must be HOST:PORT with a port from 1 to 65535")
    return value


Address = Annotated[str, AfterValidator(_host_and_port)]
"""HOST:PORT of a TCP listener or of a server to call."""


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    plain = parts.hostname and not (
        parts.username or parts.password or parts.query or parts.fragment
    )
    safe = parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname))
    if not value or (plain and safe):
        return value
    raise ValueError(
        "must be an https URL with a host, without user, query or fragment; http only for an "
        "issuer on this machine"
    )


def _here(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


IssuerUrl = Annotated[str, AfterValidator(_issuer)]
"""An OpenID Connect issuer: its keys come over TLS, or from this machine."""


class OurSettings(BaseSettings):
    """What is read from `SMARTCITY_*`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")


class BusSettings(OurSettings):
    """Where the bus is, and how to be let in; `common.events.bus.bus_of` opens it."""

    nats_url: str = "nats://127.0.0.1:4222"
    """The servers of one cluster, joined by commas; `tls://` where they speak TLS."""
    nats_replicas: Annotated[int, Field(ge=1, le=5)] = 1
    """How many servers keep each stream; 3 where there are three."""
    nats_seed_file: SeedFile | None = None
    """The nkey seed (`SU...`) of the user that this process is to the bus."""
    nats_ca_file: AuthorityFile | None = None
    """The authority (PEM) of the servers' certificates, when it is none that the system knows."""


class DatabaseSettings(OurSettings):
    """Where the database is; `common.postgres.database.database_of` opens it."""

    database_url: str
    """`postgresql://role@host/name?sslmode=verify-full&sslrootcert=/path`."""
    database_password_file: SecretFile | None = None
    """The role's password, when the URL has none; read anew for each new connection."""


class Migration(OurSettings):
    """What `migrate` takes, which runs under the owner's role; a service adds its folder."""

    migration_url: str
    """The database in dbmate's form."""
    database_password_file: SecretFile | None = None
    """The owner's password, when the URL has none."""


class ServiceSettings(BusSettings):
    """What every process takes from `SMARTCITY_*`; a service adds its own fields."""

    grpc_address: Address = "127.0.0.1:50051"
    metrics_address: Address = "127.0.0.1:9101"
    health_address: Address | Literal[""] = ""
    """A plain gRPC port with nothing but health, for probes that speak no TLS; "" is none."""
    tls_folder: TlsFolder | None = None
    """`tls.crt`, `tls.key` and `ca.crt` of calls between services; without it they are plain."""
    identity: Literal["required", "off"] = "required"
    """`off` lets everybody call everything: for measurements; refused in a cluster."""
    oidc_issuer: IssuerUrl = ""
    """The OpenID Connect issuer whose tokens callers must bring."""
    oidc_ca_file: AuthorityFile | None = None
    """The authority (PEM) of the issuer's certificate, when it is none that the system knows."""
    oidc_audience: Annotated[str, Field(min_length=1)] = "smartcity"
    oidc_groups_claim: str = "groups"
    """The claim that holds the grants, as `64.01/operator`."""
    otlp_address: Address | Literal[""] = ""
    """The OpenTelemetry collector (OTLP over gRPC) that spans are sent to; "" sends none."""
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Which part of the calls that bring no trace begins one."""
    log_level: str = "INFO"
    max_call_s: float = 120.0
    """How long a call may take whose caller sets no nearer deadline."""
    leave_s: float = 0.0
    """How long to serve on after SIGTERM, told as NOT_SERVING, until callers have turned away."""
    drain_s: float = 10.0
    """How long calls in flight may take to end after SIGTERM."""


Settings = TypeVar("Settings", bound=BaseSettings)


def load(kind: type[Settings]) -> Settings:
    """Return the settings of this process, or exit with 2 after naming every wrong variable."""
    try:
        return kind()
    except SettingsError as error:  # a list or an object that is no JSON; the text names the field
        refuse([str(error)])
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", PREFIX))
        refuse([_sentence(prefix, dict(problem)) for problem in error.errors(include_url=False)])


def keyring_in(path: Path) -> Keyring:
    """Return the keys in the file of `CONTACT_KEYS_FILE`, or exit with 2 after saying why not."""
    try:
        return Keyring.read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        shown = str(path) if is_a_file(path) else "what is no file"
        refuse([f"{PREFIX}CONTACT_KEYS_FILE: {shown} holds no keys: {type(error).__name__}"])


def production_signs(environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables that show a real installation."""
    signs = (IN_A_CLUSTER, f"{PREFIX}OIDC_ISSUER")
    return [name for name, value in environment.items() if value and name.upper() in signs]


def _sentence(prefix: str, problem: dict[str, object]) -> str:
    place = problem["loc"]
    name = "_".join(str(part) for part in place) if isinstance(place, tuple) else str(place)
    value = problem["input"]
    # Somebody may have given the secret itself in place of its file.
    hidden = name.lower().endswith(("_file", "_folder")) and not is_a_file(value)
    shown = "" if hidden else without_secrets(value)
    given = "" if problem["type"] == "missing" or not shown else f" (it is {shown!r})"
    return f"{prefix}{name.upper()}: {problem['msg']}{given}"


def refuse(sentences: list[str]) -> NoReturn:
    """Exit with 2 after saying what is wrong with the settings."""
    for sentence in sentences:
        sys.stderr.write(f"wrong setting: {sentence}\n")
    sys.exit(2)
