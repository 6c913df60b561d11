"""The rules of a field (protovalidate) as JSON Schema keywords.

Rules without such a keyword (CEL expressions, e-mail with an empty default) are left to the
field's description.
"""

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor

JsonObject = dict[str, Any]
Rules = validate_pb2.FieldRules
STRING = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern", "const": "const"}
NUMBER = {
    "gt": "exclusiveMinimum",
    "gte": "minimum",
    "lt": "exclusiveMaximum",
    "lte": "maximum",
    "const": "const",
}
LIST = {"min_items": "minItems", "max_items": "maxItems", "unique": "uniqueItems"}
MAP = {"min_pairs": "minProperties", "max_pairs": "maxProperties"}
FORMATS = {"email": "email", "uri": "uri", "uuid": "uuid", "hostname": "hostname", "ip": "ip"}


def rules_of(field: FieldDescriptor) -> Rules:
    """Return what the proto declares for the field."""
    return field.GetOptions().Extensions[validate_pb2.field]


def forbids_zero(field: FieldDescriptor) -> bool:
    """Tell whether an enum field, or each entry of a list of them, refuses the value 0."""
    rules = rules_of(field)
    enum = rules.repeated.items.enum if field.is_repeated else rules.enum
    return 0 in enum.not_in


def keywords(rules: Rules) -> JsonObject:
    """Return the keywords of one value: a string or a number."""
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string(rules)
    if kind in {None, "bool", "bytes", "enum", "repeated", "map", "any", "duration", "timestamp"}:
        return {}
    return _listed(getattr(rules, str(kind)), NUMBER)


def list_keywords(rules: Rules) -> JsonObject:
    """Return the keywords of a list itself."""
    return _listed(rules.repeated, LIST)


def map_keywords(rules: Rules) -> JsonObject:
    """Return the keywords of a map itself and of its keys."""
    keys = keywords(rules.map.keys) if rules.map.HasField("keys") else {}
    return _listed(rules.map, MAP) | ({"propertyNames": keys} if keys else {})


def _string(rules: Rules) -> JsonObject:
    found = _listed(rules.string, STRING)
    known = rules.string.WhichOneof("well_known")
    if known in FORMATS:
        found["format"] = FORMATS[known]
    if getattr(rules.string, "in"):
        found["enum"] = list(getattr(rules.string, "in"))
    if rules.ignore != validate_pb2.IGNORE_IF_ZERO_VALUE:
        return found
    # The empty string is allowed as well.
    allowed = {key: found[key] for key in ("maxLength",) if key in found}
    return allowed | ({"pattern": f"^$|{found['pattern']}"} if "pattern" in found else {})


def _listed(rules: Any, known: dict[str, str]) -> JsonObject:
    set_fields = {field.name: value for field, value in rules.ListFields()}
    return {known[name]: set_fields[name] for name in known if name in set_fields}
