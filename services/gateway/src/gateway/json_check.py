"""Every violation of a JSON request at once, before the transcoder stops at the first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any
from urllib.parse import parse_qsl

from common.errors import Violation
from common.validation import json_name, violations
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.contract import message_of
from gateway.json_reader import MAX_VIOLATIONS, Reader, decode, expected, named, nearest, reads
from gateway.routes import Match, query_parameters

REPLACED = "\ufffd"
"""What stands in a path in place of bytes that are not UTF-8."""
BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Sent:
    """What came with a request: the raw query and the body, which is empty for a read."""

    query: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a request that cannot be read, and the part of it that can.

    Both are empty for a request that can be read: it is left to its service.
    """

    violations: Sequence[Violation] = ()
    readable: Message | None = None

    def joined(self, more: Iterable[Violation]) -> list[Violation]:
        """Return our violations and those of `more` that do not follow from ours."""
        new = [
            v for v in more if not any(_touches(v.field, ours.field) for ours in self.violations)
        ]
        return [*self.violations, *new][:MAX_VIOLATIONS]


def check(match: Match, sent: Sent) -> Findings:
    """Return nothing when the request can be read; else all that is wrong with it.

    That includes the rules that the protos declare (protovalidate), for the part that can be
    read. At most `MAX_VIOLATIONS` are returned.
    """
    reader = Reader()
    for name, value in match.values.items():
        if REPLACED in value:
            reader.refuse(name, "the path is not UTF-8", "path.encoding")
    request = _body(match, sent.body, reader)
    _refuse_other_names(match, request, reader)
    _query(match, sent.query, request, reader)
    if not reader.found:
        return Findings()
    readable = _readable(match, request)
    broken = _rules(match, request, readable, reader.found)
    return Findings([*reader.found, *broken][:MAX_VIOLATIONS], readable)


def _body(match: Match, body: bytes, reader: Reader) -> dict[str, Any]:
    """Return the readable part of the request message as far as the body says it."""
    rule = match.rule
    if not rule.body or rule.takes_file or not body.strip():
        return {}
    field = rule.rpc.input_type.fields_by_name.get(rule.body)
    kind = message_of(field) if field else rule.rpc.input_type
    path = field.json_name if field else ""
    try:
        read = reader.message(decode(body.decode()), kind, path) or {}
    except (ValueError, RecursionError) as error:
        reader.refuse("", _explained(error), "json.syntax")
        return {}
    return {path: read} if field else read


def _refuse_other_names(match: Match, request: dict[str, Any], reader: Reader) -> None:
    """Refuse a body that names another resource than the path: the transcoder would obey it."""
    for dotted, value in match.values.items():
        path = ".".join(json_name(part) for part in dotted.split("."))
        given = _get(request, path)
        if given not in (None, "", value):
            sentence = f"must be {value}, as in the path, or left out"
            reader.refuse(path, sentence, "json.contradicts_path")


def _get(request: dict[str, Any], dotted: str) -> object:
    found: object = request
    for part in dotted.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _explained(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start + 1} of the body is not UTF-8"
    if isinstance(error, JSONDecodeError):
        place = f"line {error.lineno}, column {error.colno}"
        return f"the body is not JSON: {place}: {error.msg}"
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    return f"the body is not JSON: {error}"


def _query(match: Match, query: bytes, request: dict[str, Any], reader: Reader) -> None:
    """Add to `request` what the query says."""
    try:
        pairs = parse_qsl(query.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        reader.refuse("", "the query is not UTF-8", "query.encoding")
        return
    values: dict[str, list[str]] = {}
    for name, text in pairs:
        values.setdefault(name, []).append(text)
    for name, texts in values.items():
        _parameter(match, (name, texts), request, reader)


def _parameter(
    match: Match, given: tuple[str, list[str]], request: dict[str, Any], reader: Reader
) -> None:
    name, texts = given
    known = query_parameters(match.rule)
    field = known.get(name) or named(known.values()).get(name)
    if field is None:
        hint = nearest(name, known)
        reader.refuse(name, f"is not a query parameter here {hint}", "query.unknown")
    elif len(texts) > 1 and not field.is_repeated:
        reader.refuse(name, "is given more than once", "query.duplicate")
    else:
        parsed = [BOOLEANS.get(text, text) if _is_bool(field) else text for text in texts]
        if all(reads(field, value) for value in parsed):
            _put(request, name, parsed if field.is_repeated else parsed[0])
        else:
            reader.refuse(name, f"must be {expected(field)}", "query.value")


def _is_bool(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_BOOL


def _put(request: dict[str, Any], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        request = request.setdefault(parent, {})
    request[last] = value


def _readable(match: Match, request: dict[str, Any]) -> Message:
    for dotted, value in match.values.items():
        _put(request, dotted, value)
    message = GetMessageClass(match.rule.rpc.input_type)()
    json_format.ParseDict(request, message, ignore_unknown_fields=True)
    return message


def _rules(
    match: Match, request: dict[str, Any], readable: Message, found: list[Violation]
) -> list[Violation]:
    """Return the broken rules of what could be read.

    Left out: what follows from a part that could not be read, and, when fields are changed
    (PATCH), rules of fields that were not sent.
    """
    return [
        broken
        for broken in violations(readable)
        if not any(_touches(broken.field, wrong.field) for wrong in found)
        and (match.rule.verb != "PATCH" or _was_sent(broken.field, match, request))
    ]


def _touches(rule_path: str, wrong_path: str) -> bool:
    return (
        not wrong_path
        or rule_path == wrong_path
        or rule_path.startswith((f"{wrong_path}.", f"{wrong_path}["))
        or wrong_path.startswith((f"{rule_path}.", f"{rule_path}["))
    )


def _was_sent(path: str, match: Match, request: dict[str, Any]) -> bool:
    field = match.rule.rpc.input_type.fields_by_name.get(match.rule.body)
    if field is None or not path.startswith(f"{field.json_name}."):
        return True
    name = path.split(".", 2)[1].split("[", maxsplit=1)[0]
    return name in request.get(field.json_name, {})
