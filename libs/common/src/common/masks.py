"""Update masks (AIP-134): which fields of a message a caller wants changed."""

from collections.abc import Collection
from typing import Any, TypeVar

from google.api import field_behavior_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from common.errors import Violation
from common.validation import json_name

M = TypeVar("M", bound=Message)

EVERYTHING = "*"
_FIXED = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}


def changeable_fields(descriptor: Any) -> list[str]:
    """Return the fields that a caller may change: neither output-only nor name nor etag."""
    return [f.name for f in descriptor.fields if not _is_fixed(f) and f.name != "etag"]


def mask_violations(message: Message, mask: FieldMask) -> list[Violation]:
    """Return a violation for every path that names no field or one that callers cannot change."""
    allowed = changeable_fields(message.DESCRIPTOR)
    found = []
    for path in mask.paths:
        if path != EVERYTHING and not _names_field(path, message.DESCRIPTOR, allowed):
            listed = ", ".join(json_name(name) for name in allowed)
            sentence = f"{path!r} cannot be changed; allowed are {listed} and *"
            found.append(Violation("updateMask", sentence, "UPDATE_MASK_INVALID"))
    return found


def merged(stored: M, change: M, mask: FieldMask) -> M:
    """Return `stored` with the masked fields of `change`.

    An empty mask means every changeable field that `change` sets, `*` every changeable field.
    """
    result = type(stored)()
    result.CopyFrom(stored)
    paths = FieldMask(paths=mask_paths(change, mask))
    paths.MergeMessage(change, result, replace_message_field=True, replace_repeated_field=True)
    return result


def mask_paths(change: Message, mask: FieldMask) -> list[str]:
    """Return the paths that a mask means for this change."""
    allowed = changeable_fields(change.DESCRIPTOR)
    if EVERYTHING in mask.paths:
        return allowed
    if mask.paths:
        return list(mask.paths)
    given = {field.name for field, _ in change.ListFields()}
    return [name for name in allowed if name in given]


def _names_field(path: str, descriptor: Any, allowed: Collection[str]) -> bool:
    top = path.partition(".")[0]
    return top in allowed and FieldMask(paths=[path]).IsValidForDescriptor(descriptor)


def _is_fixed(field: Any) -> bool:
    behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return not _FIXED.isdisjoint(behaviours)
