"""The comments of the proto files, by the full name of what they describe."""

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

Place = tuple[int, ...]
Named = tuple[Place, str]


def comments(files: FileDescriptorSet) -> dict[str, str]:
    """Return the leading comments, their lines joined into paragraphs."""
    found: dict[str, str] = {}
    for file in files.file:
        names = dict(_file(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name and location.leading_comments:
                found[name] = _paragraphs(location.leading_comments)
    return found


def _file(file: FileDescriptorProto) -> Iterator[Named]:
    """Give each element's path in the file (descriptor.proto, SourceCodeInfo) and its name."""
    for index, message in enumerate(file.message_type):
        yield from _message(message, (4, index), file.package)
    for index, enum in enumerate(file.enum_type):
        yield from _enum(enum, (5, index), file.package)
    for index, service in enumerate(file.service):
        name = f"{file.package}.{service.name}"
        yield (6, index), name
        yield from _members(service.method, (6, index, 2), name)


def _message(message: DescriptorProto, place: Place, parent: str) -> Iterator[Named]:
    name = f"{parent}.{message.name}"
    yield place, name
    yield from _members(message.field, (*place, 2), name)
    for index, nested in enumerate(message.nested_type):
        yield from _message(nested, (*place, 3, index), name)
    for index, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*place, 4, index), name)


def _enum(enum: EnumDescriptorProto, place: Place, parent: str) -> Iterator[Named]:
    name = f"{parent}.{enum.name}"
    yield place, name
    yield from _members(enum.value, (*place, 2), name)


def _members(members: Iterable[object], place: Place, parent: str) -> Iterator[Named]:
    for index, member in enumerate(members):
        yield (*place, index), f"{parent}.{getattr(member, 'name', '')}"


def _paragraphs(comment: str) -> str:
    blocks = "\n".join(line.strip() for line in comment.splitlines()).split("\n\n")
    return "\n\n".join(" ".join(block.split("\n")).strip() for block in blocks).strip()
