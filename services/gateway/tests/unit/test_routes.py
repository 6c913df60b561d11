import re

import pytest
from gateway.contract import UpstreamUnknown, load_contract
from gateway.routes import Routes, query_parameters, singular
from hypothesis import given
from hypothesis import strategies as st

POINT = "/v1/regions/64.01/points/PSR-0042"
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("verb", "path", "rpc"),
    [
        ("GET", POINT, "GetPoint"),
        ("DELETE", POINT, "DeletePoint"),
        ("POST", f"{POINT}:activate", "ActivatePoint"),
        ("GET", f"{POINT}/circuits/C-1:listChanges", "ListChanges"),
        ("GET", "/v1/regions/64.01/points:export", "ExportPoints"),
        ("POST", "/v1/regions/64.01/points", "CreatePoint"),
        ("GET", "/v1/regions", "ListRegions"),
    ],
)
def test_a_path_finds_its_method(routes: Routes, verb: str, path: str, rpc: str) -> None:
    found = routes.find(verb, path)
    assert found
    assert found.rule.rpc.name == rpc


@pytest.mark.parametrize(
    "path", ["/v1/regions/", f"{POINT}:fly", f"{POINT}/", "/v1/regions/a/b", "/v2/regions", "//"]
)
def test_a_path_that_no_template_has_finds_nothing(routes: Routes, path: str) -> None:
    assert routes.find("GET", path) is None
    assert routes.verbs(path) == []


def test_a_method_that_streams_its_requests_has_no_path() -> None:
    contract = load_contract({"monitoring"})
    pathless = {m.name for m in contract.methods} - {r.rpc.name for r in Routes(contract).rules}
    assert pathless == {m.name for m in contract.methods if m.client_streaming}
    assert "StreamMeasurements" in pathless


def test_the_path_says_fields_of_the_request(routes: Routes) -> None:
    found = routes.find("PATCH", POINT)
    assert found
    assert found.values == {"point.name": "regions/64.01/points/PSR-0042"}


def test_escapes_in_a_path_are_resolved(routes: Routes) -> None:
    found = routes.find("GET", "/v1/regions/64%2E01")
    assert found
    assert found.values == {"name": "regions/64.01"}


def test_verbs_lists_every_method_of_a_path(routes: Routes) -> None:
    assert routes.verbs(POINT) == ["DELETE", "GET", "PATCH"]


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("/v1/regions/64.01/point", "/v1/regions/{region}/points"),
        ("/v1/region", "/v1/regions"),
        (f"{POINT}:activat", "/v1/regions/{region}/points/{point}:activate"),
        (f"{POINT}/circuit/C-1", "/v1/regions/{region}/points/{point}/circuits/{circuit}"),
        ("/xyz", None),
    ],
)
def test_nearest_knows_what_was_meant(routes: Routes, wrong: str, nearest: str | None) -> None:
    assert routes.nearest(wrong) == nearest


@given(region=IDS, point=IDS)
def test_any_ids_meet_the_rule_and_come_back(routes: Routes, region: str, point: str) -> None:
    found = routes.find("GET", f"/v1/regions/{region}/points/{point}")
    assert found
    assert found.values == {"name": f"regions/{region}/points/{point}"}


def test_every_rule_finds_its_own_readable_path(routes: Routes) -> None:
    for rule in routes.rules:
        path = re.sub(r"\{\w+\}", "x", rule.readable)
        found = routes.find(rule.verb, path)
        assert found
        assert found.rule is rule


def test_query_parameters_are_what_neither_path_nor_body_says(routes: Routes) -> None:
    found = routes.find("PATCH", POINT)
    assert found
    assert list(query_parameters(found.rule)) == ["updateMask", "requestId", "validateOnly"]


def test_a_body_that_says_all_leaves_nothing_to_the_query(routes: Routes) -> None:
    found = routes.find("POST", f"{POINT}:activate")
    assert found
    assert query_parameters(found.rule) == {}


@pytest.mark.parametrize(
    ("many", "one"), [("points", "point"), ("slaPolicies", "slaPolicy"), ("statuses", "status")]
)
def test_singular_names_one_member(many: str, one: str) -> None:
    assert singular(many) == one


def test_an_upstream_without_a_service_is_refused() -> None:
    with pytest.raises(UpstreamUnknown, match="nowhere"):
        load_contract({"inventory", "nowhere"})
