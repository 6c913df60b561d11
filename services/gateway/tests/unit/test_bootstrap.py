import re
from typing import Any

import pytest
from gateway.bootstrap import bootstrap
from gateway.contract import Contract
from gateway.edge_listener import public_listener
from gateway.edge_routes import CHECK, CORS, virtual_host
from gateway.routes import Routes
from gateway.settings import GatewaySettings
from gateway.strangers import LIMIT

SERVICE = "/smartcity.inventory.v1.InventoryService"


@pytest.fixture(scope="module")
def table(contract: Contract, routes: Routes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = virtual_host(contract, routes, GatewaySettings())["routes"]
    return found


@pytest.mark.parametrize(
    ("method", "timeout"), [("ImportPoints", "180s"), ("ExportPoints", "180s"), ("GetPoint", "60s")]
)
def test_files_may_take_longer(table: list[dict[str, Any]], method: str, timeout: str) -> None:
    path = f"{SERVICE}/{method}"
    [fitting] = [one for one in table if one["match"].get("path") == path]
    assert fitting["route"]["timeout"] == timeout


def test_a_file_is_never_read_by_the_check(table: list[dict[str, Any]]) -> None:
    path = "/v1/regions/64.01/points:import"
    patterns = [one for one in table if "safe_regex" in one["match"]]
    [upload] = [one for one in patterns if re.fullmatch(one["match"]["safe_regex"]["regex"], path)]
    settings = upload["typed_per_filter_config"][CHECK]["check_settings"]
    assert settings == {"disable_request_body_buffering": True}


@pytest.mark.parametrize(("per_s", "wanted"), [(200, [LIMIT]), (0, [])])
def test_strangers_are_counted_before_anything_is_asked(
    contract: Contract, routes: Routes, per_s: int, wanted: list[str]
) -> None:
    listener = public_listener(contract, routes, GatewaySettings(strangers_per_s=per_s))
    [manager] = listener["filter_chains"][0]["filters"]
    names = [one["name"] for one in manager["typed_config"]["http_filters"]]
    assert names[names.index(CORS) + 1 : names.index(CHECK)] == wanted


def test_each_upstream_is_a_cluster_of_its_address(contract: Contract, routes: Routes) -> None:
    settings = GatewaySettings(
        upstreams={"inventory": ("inventory.local:7000", "other.local:7001")}
    )
    made = bootstrap(contract, routes, settings)["static_resources"]["clusters"]
    [cluster] = [one for one in made if one["name"] == "inventory"]
    [endpoints] = cluster["load_assignment"]["endpoints"]
    addresses = [one["endpoint"]["address"]["socket_address"] for one in endpoints["lb_endpoints"]]
    assert addresses == [
        {"address": "inventory.local", "port_value": 7000},
        {"address": "other.local", "port_value": 7001},
    ]
