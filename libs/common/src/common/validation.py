"""The rules that the protos declare (protovalidate), as violations with JSON paths.

Two things are looked at before: how many entries a list or map has, since the declared rules would
be asked about each of a million entries; and control characters, which no text of ours may hold.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from common.errors import Violation

MOST_ENTRIES = 1000
"""How many entries a list or map may have that declares no number of its own."""
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""All but tab and the line's ends; NUL has no place in PostgreSQL, the others in XML."""
CLEARER = {"enum.not_in": "must be given"}
"""Sentences for rules whose own words are for machines."""


def violations(message: Message) -> list[Violation]:
    """Return every broken rule of `message`, in the order of its fields.

    When a list or map has too many entries, only that is said.
    """
    found = [*_texts_and_sizes(message, "")]
    if any(violation.reason.endswith(("max_items", "max_pairs")) for violation in found):
        return found
    return [*found, *map(_violation, protovalidate.collect_violations(message))]


def text_violations(message: Message) -> list[Violation]:
    """Return only what no rule needs to be declared for: control characters, too many entries."""
    return [*_texts_and_sizes(message, "")]


def json_name(field: str) -> str:
    """Return the JSON form of a proto field's name: `display_name` gives `displayName`."""
    first, *others = field.split("_")
    return first + "".join(part.capitalize() for part in others)


def _texts_and_sizes(message: Message, prefix: str) -> Iterator[Violation]:
    for name, path, field, most in _looked_at(message.DESCRIPTOR):
        value = getattr(message, name)
        where = prefix + path
        if most and len(value) > most:
            rule = "map.max_pairs" if _is_map(field) else "repeated.max_items"
            yield Violation(where, f"has {len(value)} entries; at most {most} are allowed", rule)
        elif field.is_repeated:
            yield from _entries(value, field, where)
        elif field.message_type is None:
            yield from _text(value, where)
        elif message.HasField(name):
            yield from _texts_and_sizes(value, f"{where}.")


def _entries(value: Any, field: FieldDescriptor, where: str) -> Iterator[Violation]:
    if _is_map(field):
        for key in value:
            yield from _entry(key, f"{where}[{key}]")
            yield from _entry(value[key], f"{where}[{key}]")
    else:
        for index, entry in enumerate(value):
            yield from _entry(entry, f"{where}[{index}]")


def _entry(entry: Any, where: str) -> Iterator[Violation]:
    if isinstance(entry, Message):
        yield from _texts_and_sizes(entry, f"{where}.")
    elif isinstance(entry, str):
        yield from _text(entry, where)


def _text(value: str, where: str) -> Iterator[Violation]:
    found = CONTROL.search(value)
    if found:
        sentence = f"must not hold control characters, such as U+{ord(found[0]):04X}"
        yield Violation(CONTROL.sub("?", where), sentence, "string.control")


@cache
def _looked_at(kind: Descriptor) -> tuple[tuple[str, str, FieldDescriptor, int], ...]:
    """Return name, JSON name, descriptor and most entries of the fields that hold texts or many."""
    return tuple(
        (field.name, field.json_name, field, _most_entries(field))
        for field in kind.fields
        if field.is_repeated
        or field.type == FieldDescriptor.TYPE_STRING
        or (field.message_type and field.message_type.full_name.startswith("smartcity."))
    )


def _most_entries(field: FieldDescriptor) -> int:
    if not field.is_repeated:
        return 0
    rules = field.GetOptions().Extensions[validate_pb2.field]
    declared = rules.map.max_pairs if _is_map(field) else rules.repeated.max_items
    return int(declared) or MOST_ENTRIES


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _violation(found: protovalidate.Violation) -> Violation:
    proto = found.proto
    path = ""
    for element in proto.field.elements if proto.field else ():
        path += ("." if path else "") + json_name(element.field_name)
        path += _subscript(element)
    message = CLEARER.get(proto.rule_id) or proto.message or "breaks its rule"
    return Violation(path, message, proto.rule_id)


def _subscript(element: object) -> str:
    subscript = getattr(element, "subscript", None)
    value = getattr(subscript, "value", None)
    return "" if value is None else f"[{value}]"
