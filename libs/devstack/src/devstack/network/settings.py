"""What the simulated network takes from the environment: `SMARTCITY_NETWORK_*`."""

from pathlib import Path
from typing import Annotated, Literal

from common.settings import PREFIX, Address, IssuerUrl
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class NetworkSettings(BaseSettings):
    """Settings of the process; without the inventory's address it knows what it knew last."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}NETWORK_", frozen=True, extra="ignore")

    port: Annotated[int, Field(ge=1, le=65535)]
    """The UDP port of every address."""
    seed: int
    folder: Path
    """Where it keeps what must survive a restart, and finds what people order."""
    region: str
    inventory_address: Address | Literal[""] = ""
    issuer: IssuerUrl = ""
    """The local issuer; "" asks the inventory without a token."""
    secrets_folder: Path = Path()
    """Of the stack, for the issuer."""
    log_level: str = "INFO"
