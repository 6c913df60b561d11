"""GeoJSON (RFC 7946): points as features; the properties are the other columns."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from common.tables.table import MAX_COLUMNS, FileRefused, Table, table_of

HEAD = b'{"type":"FeatureCollection","features":[\n'
SEPARATOR = b",\n"
TAIL = b"\n]}\n"


def read_geojson(text: str) -> Table:
    """Return the features as rows: the properties, and the geometry as latitude and longitude.

    Raises:
        FileRefused: Not a FeatureCollection of points.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise FileRefused("JSON_BROKEN", f"the file is no JSON: {error}") from error
    if document.get("type") != "FeatureCollection" or not isinstance(
        document.get("features"), list
    ):
        raise FileRefused("GEOJSON_WRONG", 'the file must be a GeoJSON "FeatureCollection"')
    records = [_record(feature, row) for row, feature in enumerate(document["features"], start=2)]
    headings = _headings(records)
    rows = ([record.get(name, "") for name in headings] for record in records)
    return table_of(chain([headings], rows), guarded=False)


def _headings(records: Iterable[Mapping[str, str]]) -> list[str]:
    """Return all property names in the order of their first appearance, one more than allowed."""
    found: dict[str, None] = {}
    for record in records:
        found.update(dict.fromkeys(record))
        if len(found) > MAX_COLUMNS:
            break
    return list(found) or ["point_id"]


def feature(properties: Mapping[str, object], position: Sequence[float] | None) -> bytes:
    """Return one feature; `position` is longitude and latitude, as the RFC has it."""
    geometry = {"type": "Point", "coordinates": position} if position else None
    return orjson.dumps({"type": "Feature", "geometry": geometry, "properties": properties})


def _record(item: Any, row: int) -> dict[str, str]:
    properties = item.get("properties") if isinstance(item, dict) else None
    if not isinstance(properties, dict):
        raise FileRefused("GEOJSON_WRONG", f"row {row}: a feature must have properties")
    record = {name: "" if value is None else str(value) for name, value in properties.items()}
    geometry = item.get("geometry")
    record["latitude"] = record["longitude"] = ""
    if geometry is not None:
        if not isinstance(geometry, dict) or geometry.get("type") != "Point":
            raise FileRefused("GEOJSON_WRONG", f"row {row}: the geometry must be a Point or null")
        coordinates = geometry.get("coordinates")
        if not isinstance(coordinates, list) or len(coordinates) < 2:  # noqa: PLR2004
            raise FileRefused(
                "GEOJSON_WRONG", f"row {row}: coordinates must be [longitude, latitude]"
            )
        record["longitude"], record["latitude"] = (str(number) for number in coordinates[:2])
    return record
