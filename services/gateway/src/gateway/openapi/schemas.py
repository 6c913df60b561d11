"""JSON Schemas of messages and enums: the components of the document."""

from collections.abc import Mapping
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from gateway.json_reader import choices
from gateway.openapi.rules import (
    forbids_zero,
    keywords,
    list_keywords,
    map_keywords,
    rules_of,
)

JsonObject = dict[str, Any]
OUTPUT_ONLY = field_behavior_pb2.OUTPUT_ONLY
REQUIRED = field_behavior_pb2.REQUIRED
WELL_KNOWN: Mapping[str, JsonObject] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
    "google.protobuf.Empty": {"type": "object"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
PLAIN: Mapping[int, JsonObject] = {
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.CPPTYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
}
WIDE = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}


class Schemas:
    """The components that the document refers to, each made when first asked for."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self._comments = comments
        self._zero_used: set[str] = set()
        self._enums: dict[str, EnumDescriptor] = {}
        self._messages: dict[str, JsonObject] = {}

    def components(self) -> JsonObject:
        """Return all schemas asked for, in alphabetical order."""
        enums = {component(enum): self._enum(enum) for enum in self._enums.values()}
        return dict(sorted((self._messages | enums).items()))

    def message(self, kind: Descriptor, *, patch: bool = False) -> JsonObject:
        """Return a reference to the message; a `patch` requires none of its fields."""
        if kind.full_name in WELL_KNOWN:
            return dict(WELL_KNOWN[kind.full_name])
        name = component(kind) + ("Patch" if patch else "")
        if name not in self._messages:
            self._messages[name] = {}  # a message may contain itself
            self._messages[name] = self._object(kind, patch=patch)
        return {"$ref": f"#/components/schemas/{name}"}

    def field(self, field: FieldDescriptor) -> JsonObject:
        """Return the field's schema with its description, rules and behaviour."""
        schema = self._shape(field)
        described = self.described(field.full_name)
        readonly = {"readOnly": True} if OUTPUT_ONLY in behaviours(field) else {}
        return {**schema, **described, **readonly}

    def described(self, full_name: str) -> JsonObject:
        """Return the comment of an element as its description, when it has one."""
        comment = self._comments.get(full_name)
        return {"description": comment} if comment else {}

    def _object(self, kind: Descriptor, *, patch: bool) -> JsonObject:
        required = [field.json_name for field in kind.fields if is_required(field)]
        schema: JsonObject = {"type": "object", **self.described(kind.full_name)}
        schema["properties"] = {field.json_name: self.field(field) for field in kind.fields}
        if required and not patch:
            schema["required"] = required
        return schema

    def _shape(self, field: FieldDescriptor) -> JsonObject:
        rules = rules_of(field)
        entry = field.message_type
        if entry and entry.GetOptions().map_entry:
            value = self._one(entry.fields_by_name["value"]) | keywords(rules.map.values)
            return {"type": "object", "additionalProperties": value, **map_keywords(rules)}
        if field.is_repeated:
            items = self._one(field) | keywords(rules.repeated.items)
            return {"type": "array", "items": items, **list_keywords(rules)}
        return self._one(field) | ({} if field.cpp_type in WIDE else keywords(rules))

    def _one(self, field: FieldDescriptor) -> JsonObject:
        if field.enum_type:
            return self._enum_reference(field)
        if field.message_type:
            return self.message(field.message_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        return dict(PLAIN[field.cpp_type])

    def _enum_reference(self, field: FieldDescriptor) -> JsonObject:
        enum = field.enum_type
        if enum is None:
            raise TypeError(f"{field.full_name} is no enum")
        self._enums[enum.full_name] = enum
        if not forbids_zero(field) and OUTPUT_ONLY not in behaviours(field):
            self._zero_used.add(enum.full_name)
        return {"$ref": f"#/components/schemas/{component(enum)}"}

    def _enum(self, enum: EnumDescriptor) -> JsonObject:
        """List the values; the unspecified zero only where some field may have it."""
        names = choices(enum)
        if enum.full_name in self._zero_used:
            names = [value.name for value in enum.values]
        listed = [f"- `{name}`: {self._value(enum, name)}" for name in names]
        text = self._comments.get(enum.full_name, "")
        description = "\n".join([text, "", *listed]) if text else "\n".join(listed)
        return {"type": "string", "enum": names, "description": description}

    def _value(self, enum: EnumDescriptor, name: str) -> str:
        return self._comments.get(f"{enum.full_name}.{name}", "")


def component(kind: Descriptor | EnumDescriptor) -> str:
    """Return the component's name: the full one without `smartcity` and `v1`."""
    return str(kind.full_name).removeprefix("smartcity.").replace(".v1.", ".", 1)


def behaviours(field: FieldDescriptor) -> list[int]:
    """Return the field's `google.api.field_behavior`."""
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def is_required(field: FieldDescriptor) -> bool:
    """Tell whether a request must carry the field."""
    return REQUIRED in behaviours(field) or rules_of(field).required
