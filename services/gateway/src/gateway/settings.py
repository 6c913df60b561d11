"""What the gateway takes from the environment."""

import os
from pathlib import Path
from typing import Annotated

from common.settings import Address, ServiceSettings
from pydantic import AfterValidator, BeforeValidator, Field

MEBIBYTE = 1024 * 1024
Addresses = Annotated[
    tuple[Address, ...],
    BeforeValidator(lambda given: given.split(",") if isinstance(given, str) else given),
]


def _writable(folder: Path) -> Path:
    there = next(
        place
        for place in (folder.absolute(), *folder.absolute().parents)
        if os.access(place, os.F_OK)
    )
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return folder
    raise ValueError(f"must be a folder that this user ({os.geteuid()}) may write to, or make")


class GatewaySettings(ServiceSettings):
    """Where the gateway listens, whom it forwards to and how much it accepts."""

    http_address: Address = "127.0.0.1:8080"
    """The public port."""
    upstreams: dict[str, Addresses] = Field(default={"inventory": ("127.0.0.1:50051",)})
    """Service name to the gRPC addresses of its replicas, joined by commas; package
    `smartcity.<name>.v1` goes there."""
    pages_address: Address = "127.0.0.1:8081"
    """Internal HTTP: documentation, health, the check of JSON bodies."""
    grpc_address: Address = "127.0.0.1:50060"
    """Internal gRPC: reflection and health."""
    envoy_admin_address: Address = "127.0.0.1:9901"
    metrics_address: Address = "127.0.0.1:9110"
    state_folder: Annotated[Path, AfterValidator(_writable)] = Path(".local/gateway")
    """Where the rendered bootstrap lies while the gateway runs."""
    max_upload_bytes: int = 32 * MEBIBYTE
    max_json_bytes: int = 4 * MEBIBYTE
    envoy_concurrency: int = 2
    strangers_per_s: int = Field(default=200, ge=0, le=1_000_000)
    """Requests without a token that one address may send each second; 0 is without a limit."""
    cors_origins: tuple[str, ...] = ()
    """Origins of browser pages that may call; `*` for any. None by default."""
