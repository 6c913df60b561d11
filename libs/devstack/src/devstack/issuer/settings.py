"""What the local issuer takes from the environment, and where it refuses to be."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from common.settings import PREFIX, Address, production_signs
from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from devstack.errors import ProductionSetting

REFUSAL = (
    "the local issuer gives any token to whoever asks, so it does not start where {signs} is set: "
    "use the installation's own issuer (SMARTCITY_STACK_OIDC_ISSUER)"
)


class IssuerSettings(BaseSettings):
    """Settings of the local issuer: `SMARTCITY_ISSUER_*`."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}ISSUER_", frozen=True, extra="ignore")

    address: Address = "127.0.0.1:8081"
    audience: str = "smartcity"
    secrets_folder: Path

    @property
    def url(self) -> str:
        """The issuer's name, as tokens carry it."""
        return f"http://{self.address}"

    @field_validator("address")
    @classmethod
    def _on_this_machine(cls, value: str) -> str:
        return on_this_machine(value)


def on_this_machine(address: str) -> str:
    """Return HOST:PORT when only this machine reaches it.

    Raises:
        ValueError: Others do.
    """
    host = address.rpartition(":")[0].strip("[]")
    if not ip_address(host).is_loopback:
        raise ValueError("must be a loopback address, such as 127.0.0.1:8081")
    return address


def refuse_production(environment: Mapping[str, str]) -> None:
    """Refuse to go on in a real installation.

    Raises:
        ProductionSetting: The environment shows that it is one.
    """
    signs = production_signs(environment)
    if signs:
        raise ProductionSetting(REFUSAL.format(signs=" and ".join(signs)))
