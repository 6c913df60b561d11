"""The OpenAPI 3.1 document of all published services."""

import json
import re
from importlib.metadata import version
from typing import Any

from common.auth.grants import anyone_may
from google.protobuf.descriptor import FieldDescriptor
from smartcity.auth.v1 import permission_pb2

from gateway.contract import HTTP_BODY, Contract, message_of
from gateway.openapi.comments import comments
from gateway.openapi.rules import rules_of
from gateway.openapi.schemas import Schemas, is_required
from gateway.routes import Routes, Rule, query_parameters

JsonObject = dict[str, Any]
PARAMETER = re.compile(r"\{(\w+)\}")
SENTENCE = re.compile(r"(?<=[.!?])\s+")
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
UPLOADS = ("text/csv", SHEET, "application/octet-stream")
DOWNLOADS = ("text/csv", SHEET, "application/geo+json")
FILE: JsonObject = {"type": "string", "format": "binary"}
EVENTS_TEXT = (
    "What the services tell others over NATS is described at [/docs/events](/docs/events)."
)
BEARER: JsonObject = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the installation's OpenID Connect issuer, with grants such as "
    "`64.01/operator`. On a local platform `make -s token` prints one.",
}
ERROR_TEXT = (
    "Any refusal. `code` is the gRPC code; exactly one detail is a google.rpc.ErrorInfo whose "
    "`reason` a program may rely on; a google.rpc.BadRequest names every wrong field, a "
    "google.rpc.RetryInfo tells when to try again."
)


def openapi(contract: Contract, routes: Routes) -> bytes:
    """Return the document as JSON."""
    texts = comments(contract.files)
    schemas = Schemas(texts)
    services = [texts.get(service.full_name, service.full_name) for service in contract.services]
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Paser Smart City API",
            "version": version("smartcity-gateway"),
            "description": "\n\n".join([*services, EVENTS_TEXT]),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in sorted({_tag(rule) for rule in routes.rules})],
        "paths": _paths(routes, schemas),
        "components": {
            "schemas": {**schemas.components(), "google.rpc.Status": _status()},
            "responses": {"Error": _error()},
            "securitySchemes": {"bearer": BEARER},
        },
        "security": [{"bearer": []}],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _paths(routes: Routes, schemas: Schemas) -> JsonObject:
    paths: dict[str, JsonObject] = {}
    counted: dict[str, int] = {}
    for rule in routes.rules:
        name = rule.rpc.name
        counted[name] = counted.get(name, 0) + 1
        suffix = f"_{counted[name]}" if counted[name] > 1 else ""
        operation = _operation(rule, schemas, name + suffix)
        paths.setdefault(rule.readable, {})[rule.verb.lower()] = operation
    return paths


def _operation(rule: Rule, schemas: Schemas, identifier: str) -> JsonObject:
    text = schemas.described(rule.rpc.full_name).get("description", "")
    more = schemas.described(rule.rpc.input_type.full_name).get("description", "")
    operation = {
        "operationId": identifier,
        "summary": SENTENCE.split(text)[0].removesuffix("."),
        "description": "\n\n".join(part for part in dict.fromkeys((text, more)) if part),
        "tags": [_tag(rule)],
        "x-permission": _permission(rule),
        "parameters": [*_path_parameters(rule), *_query_parameters(rule, schemas)],
        "responses": {
            "200": _answer(rule, schemas),
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    needless: JsonObject = {"security": []} if anyone_may(_permission(rule)) else {}
    return operation | needless | _body(rule, schemas)


def _permission(rule: Rule) -> str:
    return str(rule.rpc.GetOptions().Extensions[permission_pb2.permission])


def _tag(rule: Rule) -> str:
    """Return the resource: the middle of the permission `inventory.points.read`."""
    return _permission(rule).split(".")[1]


def _path_parameters(rule: Rule) -> list[JsonObject]:
    patterns = _patterns(rule)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": f"The id of the {name}.",
            "schema": {"type": "string", **patterns.get(name, {})},
        }
        for name in PARAMETER.findall(rule.readable)
    ]


def _patterns(rule: Rule) -> dict[str, JsonObject]:
    """Cut the pattern of a resource's name into those of its ids, where it has as many parts."""
    found: dict[str, JsonObject] = {}
    for variable in rule.variables:
        pattern = rules_of(_resolved(rule, variable)).string.pattern
        parts = pattern.removeprefix("^").removesuffix("$").split("/")
        names = rule.readable.partition("/v1/")[2].split("/")
        for name, part in zip(names, parts, strict=False):
            known = PARAMETER.match(name)
            if known and part and _compiles(part):
                found[known[1]] = {"pattern": f"^{part}$"}
    return found


def _compiles(pattern: str) -> bool:
    """Tell whether the cut did not go through a group."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _resolved(rule: Rule, dotted: str) -> FieldDescriptor:
    *parents, last = dotted.split(".")
    kind = rule.rpc.input_type
    for parent in parents:
        kind = message_of(kind.fields_by_name[parent])
    return kind.fields_by_name[last]


def _query_parameters(rule: Rule, schemas: Schemas) -> list[JsonObject]:
    return [
        _query_parameter(name, field, schemas) for name, field in query_parameters(rule).items()
    ]


def _query_parameter(name: str, field: FieldDescriptor, schemas: Schemas) -> JsonObject:
    schema = schemas.field(field)
    described = {"description": schema.pop("description")} if "description" in schema else {}
    required = {"required": True} if is_required(field) else {}
    return {"name": name, "in": "query", **described, **required, "schema": schema}


def _body(rule: Rule, schemas: Schemas) -> JsonObject:
    if not rule.body:
        return {}
    if rule.takes_file:
        return {"requestBody": {"required": True, "content": _files(UPLOADS)}}
    field = rule.rpc.input_type.fields_by_name.get(rule.body)
    if field:
        schema = schemas.message(message_of(field), patch=rule.verb == "PATCH")
    else:
        schema = _rest(rule, schemas)
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": field is not None, "content": content}}


def _rest(rule: Rule, schemas: Schemas) -> JsonObject:
    """Return the request without what its path says."""
    fields = [f for f in rule.rpc.input_type.fields if f.name not in rule.variables]
    required = [f.json_name for f in fields if is_required(f)]
    schema: JsonObject = {"type": "object"}
    schema["properties"] = {f.json_name: schemas.field(f) for f in fields}
    return schema | ({"required": required} if required else {})


def _answer(rule: Rule, schemas: Schemas) -> JsonObject:
    kind = rule.rpc.output_type
    if kind.full_name == HTTP_BODY:
        header = {"description": "The file's name.", "schema": {"type": "string"}}
        headers = {"Content-Disposition": header}
        return {"description": "The file.", "headers": headers, "content": _files(DOWNLOADS)}
    described = schemas.described(kind.full_name).get("description", "Done.")
    media = "text/event-stream" if rule.rpc.server_streaming else "application/json"
    return {"description": described, "content": {media: {"schema": schemas.message(kind)}}}


def _files(media_types: tuple[str, ...]) -> JsonObject:
    return {media: {"schema": FILE} for media in media_types}


def _status() -> JsonObject:
    detail = {
        "type": "object",
        "properties": {"@type": {"type": "string", "description": "Which detail it is."}},
        "required": ["@type"],
        "additionalProperties": True,
    }
    return {
        "type": "object",
        "description": ERROR_TEXT,
        "properties": {
            "code": {"type": "integer", "format": "int32", "description": "The gRPC code."},
            "message": {"type": "string", "description": "A sentence for people."},
            "details": {"type": "array", "items": detail},
        },
        "required": ["code", "message"],
    }


def _error() -> JsonObject:
    schema = {"$ref": "#/components/schemas/google.rpc.Status"}
    return {"description": ERROR_TEXT, "content": {"application/json": {"schema": schema}}}
