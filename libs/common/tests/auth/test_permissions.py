"""Which grants allow which calls."""

from collections.abc import Mapping

import pytest
from common.auth.grants import Grant, Principal, allows
from common.auth.permissions import (
    PermissionDenied,
    PermissionUndeclared,
    name_reader,
    permission_of,
    require_declared,
    required_grant,
)
from common.names import region_of
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from smartcity.inventory.v1 import inventory_service_pb2, point_pb2, region_pb2

SERVICE = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"]


def principal(*grants: str) -> Principal:
    pairs = (grant.split("/") for grant in grants)
    return Principal("budi", frozenset(Grant(*pair) for pair in pairs), 0)


def test_every_role_may_read_or_less_and_only_some_may_write() -> None:
    writers = {
        role
        for role in ("viewer", "operator", "planner", "finance", "provider", "agent", "admin")
        if allows(role, "inventory.points.write")
    }
    assert writers == {"operator", "admin"}
    assert not allows("agent", "inventory.points.read")
    assert not allows("nobody", "inventory.points.read")
    assert not allows("viewer", "inventory.points.write.read")


@pytest.mark.parametrize(
    ("grants", "region", "granted"),
    [
        (("64.01/operator",), "64.01", True),
        (("64.01/operator",), "64.09", False),
        (("64.01/viewer", "64.09/operator"), "64.01", False),
        (("64.01/operator",), "64.01/../64.09", False),
        (("64.01/operator",), "*", False),
        (("*/admin",), "64.09", True),
        ((), "64.01", False),
    ],
)
def test_a_grant_counts_in_its_region_only(
    grants: tuple[str, ...], region: str, *, granted: bool
) -> None:
    found = principal(*grants).grant_for("inventory.points.write", region)
    assert (found is not None) == granted


def test_reference_data_is_for_everybody_who_is_known() -> None:
    assert required_grant(principal(), "inventory.regions.read", "64.09") is None
    with pytest.raises(PermissionDenied) as refusal:
        required_grant(principal("64.01/viewer"), "inventory.points.read", "64.09")
    assert "not granted" in refusal.value.message


@pytest.mark.parametrize(
    ("method", "request_", "region"),
    [
        ("GetPoint", point_pb2.GetPointRequest(name="regions/64.01/points/A"), "64.01"),
        ("ListPoints", point_pb2.ListPointsRequest(parent="regions/64.09"), "64.09"),
        (
            "UpdatePoint",
            point_pb2.UpdatePointRequest(point=point_pb2.Point(name="regions/64.09/points/A")),
            "64.09",
        ),
        (
            "CreatePoint",
            point_pb2.CreatePointRequest(
                parent="regions/64.01", point=point_pb2.Point(name="regions/64.09/points/A")
            ),
            "64.01",
        ),
        ("ListRegions", region_pb2.ListRegionsRequest(), ""),
    ],
)
def test_the_region_is_that_of_what_the_call_changes(
    method: str, request_: Message, region: str
) -> None:
    assert region_of(name_reader(f"/{SERVICE.full_name}/{method}")(request_)) == region


def test_every_method_of_the_inventory_finds_its_region() -> None:
    for method in SERVICE.methods:
        reader = name_reader(f"/{SERVICE.full_name}/{method.name}")
        if method.name != "ListRegions":
            fields = method.input_type.fields_by_name
            name = reader(message_of(method.name, fields))
            assert region_of(name) == "64.01", method.name


def message_of(method: str, fields: Mapping[str, object]) -> Message:
    kind = GetMessageClass(SERVICE.methods_by_name[method].input_type)
    for name in ("name", "parent"):
        if name in fields:
            return kind(**{name: "regions/64.01/x/y"})
    (changed,) = [name for name in fields if name in ("point", "circuit", "device", "provider")]
    return kind(**{changed: {"name": "regions/64.01/x/y"}})


def test_a_service_whose_rpc_declares_no_permission_does_not_start() -> None:
    require_declared([SERVICE.full_name])
    with pytest.raises(PermissionUndeclared):
        require_declared([health_pb2.DESCRIPTOR.services_by_name["Health"].full_name])
    assert permission_of(f"/{SERVICE.full_name}/GetPoint") == "inventory.points.read"
