import json
from typing import Any

import pytest
from gateway.json_check import Sent, check
from gateway.routes import Routes
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from smartcity.inventory.v1 import point_pb2

POINTS = "/v1/regions/64.01/points"
POINT = f"{POINTS}/PSR-0042"
GOOD = {"displayName": "Kantor Desa", "kind": "VILLAGE_OFFICE"}


def problems(
    routes: Routes, body: Any, *, verb: str = "POST", path: str = POINTS, query: bytes = b""
) -> dict[str, str]:
    """Return each violation's message by its field."""
    match = routes.find(verb, path)
    assert match
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {found.field: found.message for found in check(match, Sent(query, raw)).violations}


def test_a_clean_body_has_no_violations(routes: Routes) -> None:
    assert problems(routes, GOOD) == {}


def test_names_of_the_proto_file_are_understood_too(routes: Routes) -> None:
    assert problems(routes, {"display_name": "x", "kind": "OPD"}) == {}


def test_a_readable_body_that_breaks_rules_is_left_to_the_service(routes: Routes) -> None:
    assert problems(routes, {"displayName": ""}) == {}


def test_every_wrong_field_is_named_at_once(routes: Routes) -> None:
    found = problems(
        routes,
        {
            "displayNam": "x",
            "displayName": "a\nb",
            "kind": "CASTLE",
            "location": {"latitude": "north", "longtude": 1},
            "tags": ["good", 7, "Not Good"],
            "createTime": "yesterday",
            "externalIds": {"npsn": 3},
        },
    )
    assert set(found) == {
        "point.displayNam",
        "point.displayName",
        "point.kind",
        "point.location.latitude",
        "point.location.longitude",
        "point.location.longtude",
        "point.tags[1]",
        "point.createTime",
        "point.externalIds[npsn]",
    }
    assert "did you mean displayName?" in found["point.displayNam"]
    assert "VILLAGE_OFFICE" in found["point.kind"]
    assert "KIND_UNSPECIFIED" not in found["point.kind"]


def test_a_field_that_could_not_be_read_is_named_once(routes: Routes) -> None:
    match = routes.find("POST", POINTS)
    assert match
    found = check(match, Sent(b"", b'{"kind": "CASTLE", "displayName": "x"}'))
    assert [violation.field for violation in found.violations] == ["point.kind"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"displayName": "x",\n "kind" "OPD"}', "line 2, column 9"),
        (b'{"displayName": "\xff"}', "byte 18 of the body is not UTF-8"),
        (b'{"location": {"latitude": NaN}}', "NaN is no JSON number"),
        (b"{} {}", "line 1, column 4"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"1" * 10_000, "not JSON"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(routes: Routes, body: bytes, said: str) -> None:
    assert said in problems(routes, body)[""]


def test_a_name_given_twice_is_refused(routes: Routes) -> None:
    body = b'{"displayName": "a", "displayName": "b", "kind": "OPD"}'
    assert problems(routes, body) == {"point.displayName": "is given more than once"}


def test_a_field_under_both_its_names_is_refused(routes: Routes) -> None:
    body = {**GOOD, "display_name": "b"}
    assert set(problems(routes, body)) == {"point.display_name"}


@pytest.mark.parametrize("body", [[], 1, "x", True])
def test_a_body_that_is_no_object_is_refused(routes: Routes, body: object) -> None:
    assert problems(routes, body)["point"] == "must be an object"


def test_a_flood_of_violations_is_cut_off(routes: Routes) -> None:
    assert len(problems(routes, {**GOOD, "tags": [1] * 5000})) == 1000
    assert len(problems(routes, {**GOOD, **{f"x{n}": 1 for n in range(5000)}})) == 1000


def test_a_long_unknown_name_is_shown_in_part(routes: Routes) -> None:
    [field] = problems(routes, {**GOOD, "x" * 10_000: 1})
    assert len(field) < 250


def test_a_lone_surrogate_is_no_string(routes: Routes) -> None:
    body = b'{"displayName": "\\ud800", "kind": "OPD"}'
    assert set(problems(routes, body)) == {"point.displayName"}


@pytest.mark.parametrize("kind", [1.5, "1", True, [], {}, 2**31])
def test_an_enum_is_one_of_its_names(routes: Routes, kind: object) -> None:
    assert set(problems(routes, {**GOOD, "kind": kind})) == {"point.kind"}


@pytest.mark.parametrize("number", [b"1e999", b"9" * 400, b"true", b"[]"])
def test_a_number_is_finite(routes: Routes, number: bytes) -> None:
    body = (
        b'{"displayName": "x", "kind": "OPD", "location": {"longitude": 1, "latitude": %b}}'
        % number
    )
    assert set(problems(routes, body)) == {"point.location.latitude"}


def test_null_means_absent_but_not_in_a_list(routes: Routes) -> None:
    assert problems(routes, {**GOOD, "location": None}) == {}
    assert set(problems(routes, {**GOOD, "tags": [None]})) == {"point.tags[0]"}


def test_a_patch_is_not_blamed_for_fields_it_does_not_send(routes: Routes) -> None:
    body = {"address": 5, "tags": ["Not Good"]}
    found = problems(routes, body, verb="PATCH", path=POINT)
    assert set(found) == {"point.address", "point.tags[0]"}


def test_a_body_that_is_the_whole_request_has_plain_paths(routes: Routes) -> None:
    found = problems(routes, {"etga": "x", "etag": 3}, path=f"{POINT}:activate")
    assert set(found) == {"etga", "etag"}


def test_an_empty_body_is_an_empty_request(routes: Routes) -> None:
    assert problems(routes, b"", path=f"{POINT}:activate") == {}


def test_query_parameters_are_checked_with_the_body(routes: Routes) -> None:
    found = problems(
        routes, {"kind": "OPD", "etag": 1.5}, query=b"pointId=A&point_di=B&validateOnly=yes"
    )
    assert set(found) == {"point.etag", "point_di", "validateOnly", "point.displayName"}


@pytest.mark.parametrize(
    "query",
    [b"pageSize=5", b"page_size=5", b"kind=OPD&kind=SCHOOL", b"query=desa+baru", b"query="],
)
def test_known_query_parameters_pass(routes: Routes, query: bytes) -> None:
    assert problems(routes, b"", verb="GET", query=query) == {}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (b"pageSiz=5", "pageSiz"),
        (b"pageSize=five", "pageSize"),
        (b"pageSize=99999999999", "pageSize"),
        (b"pageSize=1&pageSize=2", "pageSize"),
        (b"kind=CASTLE", "kind"),
        (b"query=%ff", ""),
    ],
)
def test_wrong_query_parameters_are_named(routes: Routes, query: bytes, field: str) -> None:
    assert set(problems(routes, b"", verb="GET", query=query)) == {field}


def test_a_path_that_is_not_utf8_is_refused(routes: Routes) -> None:
    assert "name" in problems(routes, b"", verb="GET", path=f"{POINTS}/%ff")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "location", "latitude", "tags", "externalIds", "displayName"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(body=JSON)
def test_what_passes_can_be_parsed(routes: Routes, body: Any) -> None:
    if not problems(routes, body):
        json_format.ParseDict({"point": body}, point_pb2.CreatePointRequest())
