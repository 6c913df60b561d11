"""The published contract: the descriptor set and the proto services that have an upstream."""

import importlib
import importlib.resources
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2, status_pb2

PACKAGE = "smartcity"
HTTP_BODY = "google.api.HttpBody"


class UpstreamUnknown(ValueError):
    """The settings name an upstream for which the contract publishes no service."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The descriptor set, with what Envoy needs to print errors, and the services to publish."""

    files: FileDescriptorSet
    services: tuple[ServiceDescriptor, ...]

    @property
    def methods(self) -> list[MethodDescriptor]:
        """Every method of every published service, in the order of the files."""
        return [method for service in self.services for method in service.methods]


def load_contract(upstreams: Collection[str]) -> Contract:
    """Return the contract of the services that have an upstream.

    Raises:
        UpstreamUnknown: An upstream's name is no package below `smartcity`.
    """
    packed = importlib.resources.files(PACKAGE).joinpath("descriptors.binpb").read_bytes()
    files = FileDescriptorSet.FromString(packed)
    services = _services(files)
    known = {upstream_of(service) for service in services}
    if not known.issuperset(upstreams):
        wrong = ", ".join(sorted(set(upstreams) - known))
        raise UpstreamUnknown(f"no service is published for: {wrong}; known: {sorted(known)}")
    wanted = tuple(service for service in services if upstream_of(service) in upstreams)
    return Contract(_with_errors(files), wanted)


def upstream_of(service: ServiceDescriptor) -> str:
    """Return which upstream answers: `inventory` for package `smartcity.inventory.v1`."""
    return str(service.full_name.split(".")[1])


def service_of(method: MethodDescriptor) -> ServiceDescriptor:
    """Return the service that declares the method."""
    service: ServiceDescriptor = method.containing_service
    return service


def carries_file(method: MethodDescriptor) -> bool:
    """Tell whether the method takes or gives a file (google.api.HttpBody)."""
    fields: Sequence[FieldDescriptor] = method.input_type.fields
    taken = [field.message_type for field in fields if field.message_type]
    return any(kind.full_name == HTTP_BODY for kind in (*taken, method.output_type))


def message_of(field: FieldDescriptor) -> Descriptor:
    """Return the message that the field holds; only for fields that hold one."""
    kind = field.message_type
    if kind is None:
        raise TypeError(f"{field.full_name} is no message")
    return kind


def holder_of(field: FieldDescriptor) -> Descriptor:
    """Return the message that declares the field."""
    kind = field.containing_type
    if kind is None:
        raise TypeError(f"{field.full_name} belongs to no message")
    return kind


def _services(files: FileDescriptorSet) -> list[ServiceDescriptor]:
    """Register every file of ours with the default pool and return its services."""
    found = []
    for file in files.file:
        if not file.name.startswith(f"{PACKAGE}/"):
            continue
        importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        names = [f"{file.package}.{service.name}" for service in file.service]
        found += [Default().FindServiceByName(name) for name in names]
    return found


def _with_errors(files: FileDescriptorSet) -> FileDescriptorSet:
    """Add the error details, so that the transcoder can print what it finds in a status."""
    present = {file.name for file in files.file}
    for module in (any_pb2, duration_pb2, status_pb2, error_details_pb2):
        if module.DESCRIPTOR.name not in present:
            module.DESCRIPTOR.CopyToProto(files.file.add())
    return files
