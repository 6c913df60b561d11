"""The AsyncAPI document, made from the descriptors."""

from gateway.asyncapi import asyncapi, events_of, events_page
from gateway.contract import Contract


def test_every_reference_leads_somewhere(contract: Contract) -> None:
    document = asyncapi(contract)
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            found.extend([value["$ref"]] if "$ref" in value else [])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    assert found
    for reference in found:
        place: object = document
        for key in reference.removeprefix("#/").split("/"):
            assert isinstance(place, dict)
            place = place[key]


def test_every_event_and_field_is_explained(contract: Contract) -> None:
    document = asyncapi(contract)
    for _, kind in events_of(contract):
        name = f"inventory.{kind.name}"
        assert document["components"]["messages"][name]["summary"].endswith(".")
        for field in document["components"]["schemas"][name]["properties"].values():
            assert field["description"]


def test_the_page_holds_every_type(contract: Contract) -> None:
    document = asyncapi(contract)
    page = events_page(document).decode()
    types = [message["name"] for message in document["components"]["messages"].values()]
    assert all(name in page for name in types)
