"""What the stack itself takes from the environment: `SMARTCITY_STACK_*`."""

from pathlib import Path
from typing import Annotated, Literal

from common.settings import PREFIX, Address, IssuerUrl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT = Path(__file__).resolve().parents[4]

Port = Annotated[int, Field(ge=0, le=65535)]
FolderOfOurs = Annotated[Path, AfterValidator(lambda path: PROJECT / path)]
"""A relative one is meant from the project's root."""


class StackSettings(BaseModel):
    """Where the stack listens, keeps its state and takes its first data from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: Port = 8080
    """The public port; 0 takes a free one."""
    host: str = "127.0.0.1"
    state_folder: FolderOfOurs = PROJECT / ".local" / "stack"
    """Databases, streams, keys and logs; survives restarts."""
    ports: dict[str, Port] = {}
    """Internal listeners with a fixed port, such as {"nats": 4222}; the others take free ones."""
    replicas: Annotated[int, Field(ge=1, le=8)] = 1
    """Processes of each service behind Envoy."""
    identity: Literal["required", "off"] = "required"
    """`off` lets everybody call everything: only to measure what identity costs."""
    oidc_issuer: IssuerUrl = ""
    """The issuer whose tokens count; "" starts the local one, on the public port + 1 if it can."""
    otlp_address: Address | Literal[""] = ""
    """An OpenTelemetry collector (OTLP over gRPC) that everything sends its spans to."""
    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Which part of the requests is traced, where there is a collector."""
    region: str = "64.01"
    """The region that `data_folder` belongs to."""
    data_folder: FolderOfOurs | None = PROJECT / "data" / "paser"
    """Loaded at every start, its points only at the first; `none` loads nothing."""
    load_within_s: float = 600
    """How long a load may take."""
    network: Literal["on", "off"] = "on"
    """Simulated lines for the points tagged `demo`; `off` has none. Linux only."""
    network_seed: int = 6401
    """What fails when: the same seed tells the same story."""
    log_level: str = "INFO"
    durable: bool = True
    """False: PostgreSQL may lose data when the machine (not a process) crashes; for tests."""


class StackEnvironment(BaseSettings):
    """Reads `SMARTCITY_STACK_<FIELD>`; errors then name the variable in full."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_parse_none_str="none",
        frozen=True,
        extra="ignore",
    )

    stack: StackSettings = StackSettings()
