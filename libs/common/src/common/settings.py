"""Settings: the environment, read once, into frozen values; a wrong one refuses to start."""

import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.sealing import Keyring

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


class ServiceSettings(BaseSettings):
    """What every process takes from `SMARTCITY_*`; a service adds its own fields."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    grpc_address: Address = "127.0.0.1:50051"
    metrics_address: Address = "127.0.0.1:9101"
    nats_url: str = "nats://127.0.0.1:4222"
    nats_replicas: int = 1
    """How many servers keep each stream; 3 where there are three."""
    identity: Literal["required", "off"] = "required"
    """`off` lets everybody call everything: for measurements; refused in a cluster."""
    oidc_issuer: IssuerUrl = ""
    """The OpenID Connect issuer whose tokens callers must bring."""
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
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", PREFIX))
        refuse([_sentence(prefix, dict(problem)) for problem in error.errors(include_url=False)])


def read_secret(path: Path) -> str:
    """Return the secret that the file holds, without the line's end.

    Raises:
        OSError: The file cannot be read.
    """
    return path.read_text(encoding="utf-8").strip()


def keyring_in(path: Path) -> Keyring:
    """Return the keys in the file of `CONTACT_KEYS_FILE`, or exit with 2 after saying why not."""
    try:
        return Keyring.read(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        refuse([f"{PREFIX}CONTACT_KEYS_FILE: {path} holds no keys: {error!r}"])


def production_signs(environment: Mapping[str, str]) -> list[str]:
    """Return the names of variables that show a real installation."""
    signs = (IN_A_CLUSTER, f"{PREFIX}OIDC_ISSUER")
    return [name for name, value in environment.items() if value and name.upper() in signs]


def _sentence(prefix: str, problem: dict[str, object]) -> str:
    place = problem["loc"]
    name = "_".join(str(part) for part in place) if isinstance(place, tuple) else str(place)
    given = "" if problem["type"] == "missing" else f" (it is {problem['input']!r})"
    return f"{prefix}{name.upper()}: {problem['msg']}{given}"


def refuse(sentences: list[str]) -> NoReturn:
    """Exit with 2 after saying what is wrong with the settings."""
    for sentence in sentences:
        sys.stderr.write(f"wrong setting: {sentence}\n")
    sys.exit(2)
