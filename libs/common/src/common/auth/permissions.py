"""What a call needs: the permission that its RPC declares, in the region that its request names."""

from collections.abc import Callable, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from smartcity.auth.v1 import permission_pb2

from common.auth.grants import Grant, Principal, anyone_may, everyone_may
from common.errors import Kind, ServiceError

NAMES = ("name", "parent")
NameOf = Callable[[Message], str]


class PermissionDenied(ServiceError):
    """No grant of the caller gives the permission there; whether anything is there is not told."""

    kind = Kind.DENIED
    reason = "PERMISSION_DENIED"


class PermissionUndeclared(Exception):
    """An RPC declares no permission: a service with such a one does not start."""


def permission_of(method: str) -> str:
    """Return what `/smartcity.inventory.v1.InventoryService/GetPoint` declares.

    Raises:
        PermissionUndeclared: It declares none.
    """
    permission: str = _described(method).GetOptions().Extensions[permission_pb2.permission]
    if not permission:
        raise PermissionUndeclared(f"{method} declares no permission")
    return permission


def require_declared(services: Sequence[str]) -> None:
    """Refuse services of which an RPC declares no permission.

    Raises:
        PermissionUndeclared: With the first such RPC.
    """
    for service in services:
        for method in Default().FindServiceByName(service).methods:
            permission_of(f"/{service}/{method.name}")


def name_reader(method: str) -> NameOf:
    """Return the function that gives the resource name in a request of the method, or ""."""
    kind: Descriptor = _described(method).input_type
    for name in NAMES:
        if name in kind.fields_by_name:
            return lambda request: str(getattr(request, name))
    for field in kind.fields:
        if _is_named(field):
            return lambda request: str(getattr(request, field.name).name)
    return lambda _: ""


def required_grant(principal: Principal, permission: str, region: str) -> Grant | None:
    """Return the grant that allows the call; None when everyone may.

    Raises:
        PermissionDenied: No grant does.
    """
    grant = principal.grant_for(permission, region)
    if grant is None and not (everyone_may(permission) or anyone_may(permission)):
        where = f" in region {region[:20]!r}" if region else ""
        raise PermissionDenied(f"{permission}{where} is not granted", permission=permission)
    return grant


def _described(method: str) -> MethodDescriptor:
    _, service, name = method.split("/")
    found: MethodDescriptor = Default().FindServiceByName(service).methods_by_name[name]
    return found


def _is_named(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and not field.is_repeated and "name" in kind.fields_by_name
