from common.masks import changeable_fields, mask_paths, mask_violations, merged
from google.protobuf.field_mask_pb2 import FieldMask
from smartcity.inventory.v1.provider_pb2 import Provider

STORED = Provider(name="regions/64.01/providers/telkom", display_name="Telkom", legal_name="PT")


def test_names_etags_and_outputs_cannot_be_changed() -> None:
    allowed = changeable_fields(Provider.DESCRIPTOR)
    assert "display_name" in allowed
    assert {"name", "etag", "create_time", "update_time"}.isdisjoint(allowed)


def test_an_empty_mask_changes_what_is_set() -> None:
    change = Provider(display_name="Telkom Indonesia", etag="x")
    result = merged(STORED, change, FieldMask())
    assert (result.display_name, result.legal_name, result.etag) == ("Telkom Indonesia", "PT", "")


def test_a_masked_field_that_is_not_set_is_cleared() -> None:
    result = merged(STORED, Provider(), FieldMask(paths=["legal_name"]))
    assert (result.display_name, result.legal_name) == ("Telkom", "")


def test_a_star_means_every_changeable_field() -> None:
    paths = mask_paths(Provider(), FieldMask(paths=["*"]))
    assert paths == changeable_fields(Provider.DESCRIPTOR)


def test_every_path_that_cannot_be_changed_is_a_violation() -> None:
    mask = FieldMask(paths=["name", "display_name", "colour"])
    found = mask_violations(Provider(), mask)
    assert [v.message.split()[0] for v in found] == ["'name'", "'colour'"]
    assert "displayName" in found[0].message
