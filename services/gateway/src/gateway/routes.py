"""The HTTP rules that the protos declare (google.api.http), and which rule a request meets.

The OpenAPI document, Envoy's routes, the check of JSON bodies and the 404 and 405 answers all
read these rules; the transcoder reads the same annotations itself.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from urllib.parse import unquote

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from rapidfuzz import fuzz

from gateway.contract import HTTP_BODY, Contract

VARIABLE = re.compile(r"\{([^=}]+)(?:=([^}]+))?\}")
MAX_QUERY_DEPTH = 2
ALIKE = 60
"""From this likeness in percent a known path is offered for an unknown one."""
VERB = re.compile(r":([A-Za-z]\w*)$")


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to call a method over HTTP.

    `template` is as declared; `readable` the same with a named parameter for each wildcard, as
    in `/v1/regions/{region}/points/{point}:activate`; `pattern` matches whole paths, one group
    per entry of `variables` (dotted field paths, as `point.name`).
    """

    verb: str
    template: str
    body: str
    rpc: MethodDescriptor
    readable: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]

    @property
    def takes_file(self) -> bool:
        """Tell whether the body is a file and not JSON."""
        kind = self.rpc.input_type.fields_by_name.get(self.body)
        return bool(kind and kind.message_type and kind.message_type.full_name == HTTP_BODY)


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that a request meets and what its path says: dotted field path to value."""

    rule: Rule
    values: Mapping[str, str]


class Routes:
    """The rules of all published services."""

    def __init__(self, contract: Contract) -> None:
        self.rules = tuple(rule for method in contract.methods for rule in _rules(method))

    def find(self, verb: str, path: str) -> Match | None:
        """Return the rule for `verb` and the raw (still escaped) `path`, if there is one."""
        for rule in self.rules:
            found = rule.pattern.fullmatch(path) if rule.verb == verb else None
            if found:
                values = [unquote(value) for value in found.groups()]
                return Match(rule, dict(zip(rule.variables, values, strict=True)))
        return None

    def verbs(self, path: str) -> list[str]:
        """Return the HTTP methods that the path knows, in alphabetical order."""
        return sorted({rule.verb for rule in self.rules if rule.pattern.fullmatch(path)})

    def nearest(self, path: str) -> str | None:
        """Return the readable form of the path most like `path`, if any is like it at all."""
        scores = {rule.readable: _likeness(rule.readable, path) for rule in self.rules}
        best = max(scores, key=lambda readable: scores[readable], default="")
        return best if scores.get(best, 0) >= ALIKE else None


def _rules(method: MethodDescriptor) -> list[Rule]:
    """Return the rules of a method; one that streams its requests is gRPC alone and has none."""
    if method.client_streaming:
        return []
    http = method.GetOptions().Extensions[annotations_pb2.http]
    return [_rule(binding, method) for binding in (http, *http.additional_bindings)]


def _rule(http: http_pb2.HttpRule, method: MethodDescriptor) -> Rule:
    kind = http.WhichOneof("pattern")
    if kind is None or kind == "custom":
        raise ValueError(f"{method.full_name} declares no plain HTTP method")
    template = getattr(http, kind)
    return Rule(
        verb=kind.upper(),
        template=template,
        body=http.body,
        rpc=method,
        readable=_readable(template),
        pattern=re.compile(_pattern(template)),
        variables=tuple(name for name, _ in VARIABLE.findall(template)),
    )


def _pattern(template: str) -> str:
    """Return a regular expression for whole paths that Python and RE2 read alike."""
    parts = []
    end = 0
    for variable in VARIABLE.finditer(template):
        parts += [re.escape(template[end : variable.start()])]
        parts += ["(", _wildcards(variable[2] or "*"), ")"]
        end = variable.end()
    return "".join([*parts, re.escape(template[end:])])


def _wildcards(template: str) -> str:
    known = {"**": "[^:]+", "*": "[^/:]+"}
    return "/".join(known.get(part) or re.escape(part) for part in template.split("/"))


def _readable(template: str) -> str:
    plain = VARIABLE.sub(lambda variable: variable[2] or "*", template)
    named: list[str] = []
    for part in plain.split("/"):
        if part.startswith("*"):
            collection = named[-1] if named else "name"
            named.append(f"{{{singular(collection)}}}{part.lstrip('*')}")
        else:
            named.append(part)
    return "/".join(named)


def singular(collection: str) -> str:
    """Return what one member of a collection is called: `slaPolicies` gives `slaPolicy`."""
    if collection.endswith("ies"):
        return collection[:-3] + "y"
    if collection.endswith(("sses", "uses")):
        return collection[:-2]
    return collection.removesuffix("s")


def _likeness(readable: str, path: str) -> float:
    """Compare with the path's own ids in place of the parameters."""
    pairs: Iterable[tuple[str, str]] = zip_longest(
        readable.split("/"), path.split("/"), fillvalue=""
    )
    filled = [
        VERB.sub("", actual) + VERB.sub(r":\1", known[known.find("}") + 1 :])
        if known.startswith("{") and actual
        else known
        for known, actual in pairs
    ]
    return fuzz.ratio("/".join(filled), path)


def query_parameters(rule: Rule) -> dict[str, FieldDescriptor]:
    """Return what may stand in the query, by its JSON name; a nested field's is dotted.

    All of a request that neither the path nor the body says; nothing when the body says all.
    """
    said = {rule.body, *rule.variables}
    if rule.body == "*":
        return {}
    return _flat([f for f in rule.rpc.input_type.fields if f.name not in said], "")


def _flat(fields: Iterable[FieldDescriptor], prefix: str) -> dict[str, FieldDescriptor]:
    found: dict[str, FieldDescriptor] = {}
    for field in fields:
        name = prefix + field.json_name
        inner = field.message_type
        if inner is None or inner.full_name.startswith("google.protobuf."):
            found[name] = field
        elif not field.is_repeated and name.count(".") < MAX_QUERY_DEPTH:
            found |= _flat(inner.fields, f"{name}.")
    return found
