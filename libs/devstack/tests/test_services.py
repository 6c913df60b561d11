"""What the stack tells its services."""

from pathlib import Path
from typing import Literal

import pytest
from devstack.postgres import EmbeddedPostgres
from devstack.services import Place, gateway
from devstack.settings import StackSettings
from devstack.state import StateFolder
from gateway.settings import GatewaySettings


@pytest.mark.parametrize(
    ("identity", "per_s"),
    [("required", GatewaySettings.model_fields["strangers_per_s"].default), ("off", 0)],
)
def test_nobody_is_a_stranger_where_nobody_has_a_token(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    identity: Literal["required", "off"],
    per_s: int,
) -> None:
    state = StateFolder(tmp_path)
    settings = StackSettings(identity=identity)
    told = gateway(Place(settings, state, EmbeddedPostgres(state.postgres), 8080)).env
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert GatewaySettings().strangers_per_s == per_s
