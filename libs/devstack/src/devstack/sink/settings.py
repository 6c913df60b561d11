"""What the local sink takes from the environment."""

from common.settings import PREFIX, Address
from pydantic import field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from devstack.issuer.settings import on_this_machine


class SinkSettings(BaseSettings):
    """Settings of the local sink: `SMARTCITY_SINK_*`."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}SINK_", frozen=True, extra="ignore")

    address: Address = "127.0.0.1:8082"

    @field_validator("address")
    @classmethod
    def _on_this_machine(cls, value: str) -> str:
        return on_this_machine(value)
