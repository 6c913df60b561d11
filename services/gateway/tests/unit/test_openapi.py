import json
from typing import Any

import pytest
from gateway.contract import Contract, load_contract
from gateway.openapi.comments import comments
from gateway.openapi.document import openapi
from gateway.routes import Routes
from openapi_spec_validator import OpenAPIV31SpecValidator


@pytest.fixture(scope="module")
def document(contract: Contract, routes: Routes) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(openapi(contract, routes))
    return made


def operations(document: dict[str, Any]) -> dict[str, Any]:
    listed = [one for item in document["paths"].values() for one in item.values()]
    return {one["operationId"]: one for one in listed}


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_rpc_is_described(contract: Contract, document: dict[str, Any]) -> None:
    texts = comments(contract.files)
    made = operations(document)
    for method in contract.methods:
        assert texts[method.full_name] in made[method.name]["description"]
        assert made[method.name]["x-permission"].startswith("inventory.")


def test_operation_ids_are_used_once(document: dict[str, Any], routes: Routes) -> None:
    assert len(operations(document)) == len(routes.rules)


def test_every_element_of_every_schema_is_described(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, inner in schema.get("properties", {}).items():
            assert inner.get("description") or name == "google.rpc.Status", f"{name}.{field}"


def test_rules_become_keywords(document: dict[str, Any]) -> None:
    point = document["components"]["schemas"]["inventory.Point"]
    assert point["required"] == ["displayName", "kind"]
    shown = point["properties"]
    assert shown["displayName"]["minLength"] == 1
    assert shown["displayName"]["maxLength"] == 200
    assert shown["tags"]["maxItems"] == 20
    assert shown["tags"]["items"]["pattern"].startswith("^[a-z0-9]")
    assert shown["externalIds"]["maxProperties"] == 20
    assert shown["state"]["readOnly"] is True
    assert shown["createTime"]["format"] == "date-time"


def test_a_patch_requires_no_field(document: dict[str, Any]) -> None:
    schema = operations(document)["UpdatePoint"]["requestBody"]["content"]["application/json"]
    assert schema["schema"]["$ref"].endswith("inventory.PointPatch")
    assert "required" not in document["components"]["schemas"]["inventory.PointPatch"]


def test_an_enum_shows_its_zero_only_where_a_field_may_have_it(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert "KIND_UNSPECIFIED" not in schemas["inventory.Point.Kind"]["enum"]
    assert "TECHNOLOGY_UNSPECIFIED" in schemas["inventory.Technology"]["enum"]


def test_path_parameters_are_readable_and_have_the_pattern_of_their_part(
    document: dict[str, Any],
) -> None:
    found = document["paths"]["/v1/regions/{region}/points/{point}:activate"]["post"]
    shown = {one["name"]: one["schema"] for one in found["parameters"]}
    assert shown["region"]["pattern"] == r"^[0-9]{2}\.[0-9]{2}$"
    assert shown["point"]["pattern"] == "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


def test_files_go_and_come_as_they_are(document: dict[str, Any]) -> None:
    made = operations(document)
    assert "text/csv" in made["ImportPoints"]["requestBody"]["content"]
    assert "application/geo+json" in made["ExportPoints"]["responses"]["200"]["content"]


def test_every_refusal_has_the_one_form(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Error"}


def test_operations_for_anyone_need_no_token() -> None:
    monitoring = load_contract({"monitoring"})
    document = json.loads(openapi(monitoring, Routes(monitoring)))
    OpenAPIV31SpecValidator(document).validate()
    assert document["security"] == [{"bearer": []}]
    found = operations(document)
    assert found["SubmitBatch"]["security"] == []
    assert "security" not in found["GetAgent"]
