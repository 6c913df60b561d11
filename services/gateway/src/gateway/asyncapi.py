"""The AsyncAPI 3 document of all published events, and a page to read it."""

import importlib
import importlib.resources
import json
from collections.abc import Iterator
from html import escape
from importlib.metadata import version
from string import Template
from typing import Any

from common.events.event import CONTENT_TYPE, type_of
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import Default

from gateway.contract import Contract, upstream_of
from gateway.openapi.comments import comments
from gateway.openapi.schemas import Schemas, component

JsonObject = dict[str, Any]
HEADERS: dict[str, str] = {
    "ce-specversion": "Always 1.0 (CloudEvents, binary mode).",
    "ce-id": "A UUIDv7. The same event may come twice; its id never does with another one.",
    "ce-source": "The service that tells it, as /inventory.",
    "ce-type": "What happened.",
    "ce-subject": "The name of the resource that it happened to; its region is the tenant.",
    "ce-time": "When, RFC 3339 in UTC.",
    "ce-dataschema": "The full name of the message that the body is.",
    "ce-sequence": "Counts the events of the resource from 1, without gaps.",
    "traceparent": "The trace of the change (W3C Trace Context), when it has one.",
}
TEMPLATE = importlib.resources.files("gateway") / "templates/events.html"
DESCRIPTION = (
    "Events over NATS JetStream, one subject per region, service, noun and verb. An event carries "
    "the whole new state of its resource and the fields that changed, never personal data. It is "
    "told at least once; whoever remembers its id or its place in the sequence acts on it once."
)


def events_of(contract: Contract) -> Iterator[tuple[str, Descriptor]]:
    """Yield the service and the message of every published event, in the order of the files."""
    published = {upstream_of(service) for service in contract.services}
    for file in contract.files.file:
        service = file.package.split(".")[1] if file.package.startswith("smartcity.") else ""
        if service in published and file.name.endswith("/events.proto"):
            importlib.import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
            for message in file.message_type:
                yield service, Default().FindMessageTypeByName(f"{file.package}.{message.name}")


def asyncapi(contract: Contract) -> JsonObject:
    """Return the document."""
    schemas = Schemas(comments(contract.files))
    events = list(events_of(contract))
    channels = {component(kind): _channel(kind, schemas) for _, kind in events}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Paser Smart City events",
            "version": version("smartcity-gateway"),
            "description": DESCRIPTION,
            "license": {"name": "Apache License 2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": {
            f"tell.{name}": {"action": "send", "channel": {"$ref": f"#/channels/{_pointer(name)}"}}
            for name in channels
        },
        "components": {
            "messages": {component(kind): _message(kind, schemas) for _, kind in events},
            "schemas": schemas.components(),
        },
    }


def events_page(document: JsonObject) -> bytes:
    """Return the document as a page for people."""
    rows = "".join(_row(name, text) for name, text in HEADERS.items())
    sections = "".join(_section(document, name) for name in document["channels"])
    page = Template(TEMPLATE.read_text(encoding="utf-8"))
    return page.substitute(description=escape(DESCRIPTION), headers=rows, events=sections).encode()


def packed(document: JsonObject) -> bytes:
    """Return the document as JSON."""
    return json.dumps(document, ensure_ascii=False).encode()


def _pointer(name: str) -> str:
    """Escape a key for a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _address(kind: Descriptor) -> str:
    company, *rest = type_of(kind).split(".")
    return ".".join((company, "{region}", *rest))


def _channel(kind: Descriptor, schemas: Schemas) -> JsonObject:
    name = component(kind)
    region = "The region's code without its dot, as 6401 for Kabupaten Paser."
    return {
        "address": _address(kind),
        **schemas.described(kind.full_name),
        "parameters": {"region": {"description": region}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
    }


def _message(kind: Descriptor, schemas: Schemas) -> JsonObject:
    """Describe the message; its payload is shown in the JSON form of the protobuf body."""
    said = {name: {"type": "string", "description": text} for name, text in HEADERS.items()}
    said["ce-type"] = {"type": "string", "const": type_of(kind), "description": HEADERS["ce-type"]}
    required = [name for name in HEADERS if name != "traceparent"]
    return {
        "name": type_of(kind),
        "title": kind.name,
        "summary": schemas.described(kind.full_name).get("description", ""),
        "contentType": CONTENT_TYPE,
        "x-protobuf-message": kind.full_name,
        "headers": {"type": "object", "properties": said, "required": required},
        "payload": schemas.message(kind),
    }


def _section(document: JsonObject, name: str) -> str:
    message = document["components"]["messages"][name]
    shape = document["components"]["schemas"][message["payload"]["$ref"].rpartition("/")[2]]
    fields = "".join(
        _row(field, schema.get("description", "")) for field, schema in shape["properties"].items()
    )
    address = escape(document["channels"][name]["address"])
    return (
        f"<h2>{escape(message['title'])}</h2><p>{escape(message['summary'])}</p>"
        f"<p>Subject <code>{address}</code>, type <code>{escape(message['name'])}</code>, body "
        f"<code>{escape(message['x-protobuf-message'])}</code></p><table>{fields}</table>"
    )


def _row(name: str, text: str) -> str:
    return f"<tr><td><code>{escape(name)}</code></td><td>{escape(text)}</td></tr>"
