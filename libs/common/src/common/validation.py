"""The rules that the protos declare (protovalidate), as violations with JSON paths."""

import protovalidate
from google.protobuf.message import Message

from common.errors import Violation


def violations(message: Message) -> list[Violation]:
    """Return every broken rule of `message`, in the order of its fields."""
    return [_violation(found) for found in protovalidate.collect_violations(message)]


def json_name(field: str) -> str:
    """Return the JSON form of a proto field's name: `display_name` gives `displayName`."""
    first, *others = field.split("_")
    return first + "".join(part.capitalize() for part in others)


def _violation(found: protovalidate.Violation) -> Violation:
    proto = found.proto
    path = ""
    for element in proto.field.elements if proto.field else ():
        path += ("." if path else "") + json_name(element.field_name)
        path += _subscript(element)
    return Violation(path, proto.message or "breaks its rule", proto.rule_id)


def _subscript(element: object) -> str:
    subscript = getattr(element, "subscript", None)
    value = getattr(subscript, "value", None)
    return "" if value is None else f"[{value}]"
