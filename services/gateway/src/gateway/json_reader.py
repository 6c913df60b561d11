"""A strict reader of JSON against a message's descriptor that goes on after an error.

What it returns is the JSON without its wrong parts, which `json_format` then accepts.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, NoReturn

from common.errors import Violation
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from rapidfuzz import fuzz, process

from gateway.contract import holder_of, message_of

ALIKE = 60
"""From this likeness in percent a known name is offered for an unknown one."""
MAX_VIOLATIONS = 1000
MAX_PATH = 200
WHOLE = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
WELL_KNOWN = {
    "google.protobuf.Timestamp": "a time in RFC 3339, such as 2026-01-31T08:00:00Z",
    "google.protobuf.Duration": "a duration in seconds, such as 3.5s",
    "google.protobuf.FieldMask": "field names joined by commas, such as displayName,kind",
}


NEEDED_MEMBERS = {"google.type.LatLng": ("latitude", "longitude")}
"""Members whose absence the proto form cannot tell from zero, which is a place in the Atlantic."""


class Object(dict[str, Any]):
    """A JSON object that remembers which of its names came more than once."""

    repeated: frozenset[str] = frozenset()


def decode(text: str) -> object:
    """Return the JSON value; each object in it is an `Object`.

    Raises:
        ValueError: It is no JSON (RFC 8259); as JSONDecodeError when the place is known.
        RecursionError: It is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)


def named(fields: Iterable[FieldDescriptor]) -> dict[str, FieldDescriptor]:
    """Return the fields by every name that JSON may use: lowerCamelCase and the proto's own."""
    listed = list(fields)
    return {f.name: f for f in listed} | {f.json_name: f for f in listed}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint in brackets: the known name most like `name`, or all when none is."""
    names = sorted(known)
    found = process.extractOne(name, names, scorer=fuzz.ratio, score_cutoff=ALIKE)
    if found:
        return f"(did you mean {found[0]}?)"
    return f"(known: {', '.join(names)})" if names else "(there are none)"


def reads(field: FieldDescriptor, value: object) -> bool:
    """Tell whether `value` is good for one value of the field.

    The usual forms are seen at once. `json_format` decides on the rest, such as numbers in
    strings and times; it is too kind to enums (1.5 for 1) and numbers (true for 1).
    """
    if isinstance(value, bool) and field.message_type is None:
        return field.type == FieldDescriptor.TYPE_BOOL
    if field.enum_type:
        return (
            value in field.enum_type.values_by_name if isinstance(value, str) else _is_int32(value)
        )
    if field.type == FieldDescriptor.TYPE_STRING:
        return isinstance(value, str) and _is_unicode(value)
    if field.cpp_type == FieldDescriptor.CPPTYPE_INT32 and _is_int32(value):
        return True
    if field.type == FieldDescriptor.TYPE_DOUBLE and isinstance(value, float):
        return math.isfinite(value)
    return _parses(field, [value] if field.is_repeated else value)


def _is_int32(value: object) -> bool:
    return type(value) is int and -(2**31) <= value < 2**31


def _is_unicode(text: str) -> bool:
    """Tell whether the text has no lone surrogate, which no UTF-8 can carry."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _parses(field: FieldDescriptor, value: object) -> bool:
    holder = GetMessageClass(holder_of(field))()
    try:
        json_format.ParseDict({field.json_name: value}, holder)
    except (json_format.Error, ValueError, TypeError, OverflowError):
        return False
    return True


def expected(field: FieldDescriptor) -> str:
    """Return what one value of the field must be, for people."""
    if field.enum_type:
        return "one of " + ", ".join(choices(field.enum_type))
    if field.message_type:
        return WELL_KNOWN.get(field.message_type.full_name, "an object")
    if field.cpp_type in WHOLE:
        least, most = WHOLE[field.cpp_type]
        return f"a whole number from {least} to {most}"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "base64 in a string"
    plain = {FieldDescriptor.TYPE_BOOL: "true or false", FieldDescriptor.TYPE_STRING: "a string"}
    return plain.get(field.type, "a number")


def choices(enum: EnumDescriptor) -> list[str]:
    """Return the values that a caller may give: all but the unspecified zero."""
    return [v.name for v in enum.values if not (v.number == 0 and "UNSPECIFIED" in v.name)]


class Reader:
    """Reads one request; `found` holds every violation so far, with paths in the request."""

    def __init__(self) -> None:
        self.found: list[Violation] = []

    def refuse(self, path: str, message: str, reason: str) -> None:
        """Note one violation, unless there are too many to answer with."""
        if len(self.found) < MAX_VIOLATIONS:
            # A member's name may be a lone surrogate, which no UTF-8 can carry.
            whole = path.encode("utf-8", "backslashreplace").decode()
            shown = whole if len(whole) <= MAX_PATH else whole[:MAX_PATH] + "…"
            self.found.append(Violation(shown, message, reason))

    def message(self, value: object, kind: Descriptor, path: str) -> dict[str, Any] | None:
        """Return the readable part of a message, or nothing when it is no object."""
        if not isinstance(value, dict):
            self.refuse(path, "must be an object", "json.type")
            return None
        fields = named(kind.fields)
        read: dict[str, Any] = {}
        self._twice(value, path)
        for name, member in value.items():
            where = _join(path, name)
            if name not in fields:
                self._unknown(name, kind, where)
            elif member is not None and self._alone(fields[name], read, where):
                read[fields[name].json_name] = self._field(member, fields[name], where)
        for name in NEEDED_MEMBERS.get(kind.full_name, ()):
            if name not in value:
                self.refuse(_join(path, name), "must be given", "json.missing")
        return {name: member for name, member in read.items() if member is not None}

    def _unknown(self, name: str, kind: Descriptor, path: str) -> None:
        if len(self.found) < MAX_VIOLATIONS:
            hint = nearest(name, (field.json_name for field in kind.fields))
            self.refuse(path, f"is not a field of {kind.name} {hint}", "json.unknown_field")

    def _twice(self, value: dict[str, Any], path: str) -> None:
        for name in sorted(getattr(value, "repeated", ())):
            self.refuse(_join(path, name), "is given more than once", "json.duplicate")

    def _alone(self, field: FieldDescriptor, read: dict[str, Any], path: str) -> bool:
        """Refuse a field under both its names, and a second one of a oneof."""
        rivals = field.containing_oneof.fields if field.containing_oneof else [field]
        given = [rival.json_name for rival in rivals if rival.json_name in read]
        if given:
            self.refuse(path, f"excludes {given[0]}, which is given too", "json.duplicate")
        return not given

    def _field(self, value: object, field: FieldDescriptor, path: str) -> object:
        if field.message_type and field.message_type.GetOptions().map_entry:
            return self._map(value, field, path)
        if field.is_repeated:
            return self._list(value, field, path)
        return self._one(value, field, path)

    def _list(self, value: object, field: FieldDescriptor, path: str) -> object:
        if not isinstance(value, list):
            self.refuse(path, f"must be a list; each entry {expected(field)}", "json.type")
            return None
        entries = [self._one(entry, field, f"{path}[{index}]") for index, entry in enumerate(value)]
        return [entry for entry in entries if entry is not None]

    def _map(self, value: object, field: FieldDescriptor, path: str) -> object:
        if not isinstance(value, dict):
            self.refuse(path, "must be an object", "json.type")
            return None
        self._twice(value, path)
        kind = message_of(field).fields_by_name["value"]
        entries = {key: self._one(entry, kind, f"{path}[{key}]") for key, entry in value.items()}
        kept = {key: entry for key, entry in entries.items() if entry is not None}
        if _parses(field, kept):
            return kept
        checked = list(itertools.islice(kept, MAX_VIOLATIONS))
        wrong = [key for key in checked if not _parses(field, {key: kept[key]})]
        for key in wrong:
            self.refuse(f"{path}[{key}]", "has a wrong key", "json.value")
        return {key: kept[key] for key in checked if key not in wrong}

    def _one(self, value: object, field: FieldDescriptor, path: str) -> object:
        inner = field.message_type
        if inner and not inner.full_name.startswith("google.protobuf."):
            return self.message(value, inner, path)
        if value is not None and reads(field, value):
            return value
        self.refuse(path, f"must be {expected(field)}", "json.value")
        return None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _object(pairs: list[tuple[str, Any]]) -> Object:
    members = Object(pairs)
    if len(members) != len(pairs):
        times = Counter(name for name, _ in pairs)
        members.repeated = frozenset(name for name in times if times[name] > 1)
    return members


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
