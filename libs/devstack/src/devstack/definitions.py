"""What a cluster would say of objects whose kinds other projects define, by their definitions."""

import functools
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

JsonObject = dict[str, Any]
Validator = Draft202012Validator
SHARED = "https://kubernetes.io/api/_definitions.json"
METADATA = {"$ref": f"{SHARED}#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
RELEASE = "1.34.0"
"""Of Kubernetes, whose metadata all objects have."""


class Definitions:
    """The kinds that folders of schemas define: a file for each, with `apiVersion` and `schema`."""

    def __init__(self, *folders: Path) -> None:
        found = [file for folder in folders for file in folder.glob("*.json")]
        self._known = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in found}

    @property
    def kinds(self) -> frozenset[str]:
        """What is defined."""
        return frozenset(self._known)

    def problems(self, item: JsonObject) -> list[str]:
        """Return what is wrong with an object, and every field that the cluster would drop."""
        known = self._known[item["kind"]]
        if item["apiVersion"] != known["apiVersion"]:
            return [f"{item['kind']}: {item['apiVersion']} is not {known['apiVersion']}"]
        return said_of(item, self._validator(item["kind"]))

    @functools.cache  # noqa: B019 - as long as the tests run
    def _validator(self, kind: str) -> Validator:
        schema = closed(self._known[kind]["schema"])
        schema["properties"]["metadata"] = METADATA
        return Validator(schema, registry=kubernetes_definitions(RELEASE))


def kubernetes_definitions(release: str) -> Registry[Any]:
    """Return what Kubernetes' own schemas of a release refer to."""
    return Resource.from_contents(_kubernetes(release, "_definitions")) @ Registry()


@functools.cache
def kubernetes_kind(release: str, kind: str, api: str) -> Validator:
    """Return the schema of a kind of Kubernetes' own, as deployment and apps-v1."""
    schema = _kubernetes(release, f"{kind}-{api}")
    return Validator(schema, registry=kubernetes_definitions(release))


@functools.cache
def _kubernetes(release: str, name: str) -> JsonObject:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{release}-local-strict"
    read: JsonObject = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return read


def said_of(item: JsonObject, validator: Validator) -> list[str]:
    """Return the problems that a schema has with an object."""
    metadata = item["metadata"]
    at = f"{item['kind']} {metadata.get('name', metadata.get('generateName'))}"
    return [f"{at} {error.json_path}: {error.message}" for error in validator.iter_errors(item)]


def closed(schema: Any) -> Any:
    """Refuse the fields that the API server would drop without a word."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    open_ended = (
        schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    )
    if schema.get("type") == "object" and "properties" in schema and not open_ended:
        inner["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        inner.pop("type", None)
    return inner
