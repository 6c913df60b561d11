"""A data set on disk: reference data and points of a region; every file but one may be absent.

dataset.json names the region and what readers must know; regions.csv, aliases.csv, figures.csv,
boundaries.geojson and villages.geojson are reference data; points.csv is an import file.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import shapely
from shapely.geometry import shape

from inventory.domain.dataset import Dataset, Division

POLYGON_FILES = ("boundaries.geojson", "villages.geojson")


class DatasetWrong(Exception):
    """The folder is no data set of the region."""


def read_dataset(folder: Path, region: str) -> Dataset:
    """Read the folder.

    Raises:
        DatasetWrong: There is no dataset.json, or it is another region's.
    """
    manifest = folder / "dataset.json"
    if not manifest.is_file():
        raise DatasetWrong(f"{folder} holds no dataset.json")
    described = orjson.loads(manifest.read_bytes())
    if described["region"] != region:
        raise DatasetWrong(f"{folder} is of region {described['region']}, not {region}")
    points = folder / "points.csv"
    return Dataset(
        region=region,
        notice=f"{described['notice_en']} / {described['notice_id']}",
        divisions=list(_divisions(folder)),
        polygons=dict(_polygons(folder)),
        points=points.read_bytes() if points.is_file() else b"",
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _divisions(folder: Path) -> Iterator[Division]:
    aliases: dict[str, list[str]] = defaultdict(list)
    for row in _rows(folder / "aliases.csv"):
        aliases[row["code"]].append(row["alias"])
    figures: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in _rows(folder / "figures.csv"):
        figure = {"value": float(row["value"]), "date": row["date"], "source": row["source"]}
        figures[row["code"]][row["measure"]] = figure
    for row in _rows(folder / "regions.csv"):
        code = row["code"]
        if "." in code:
            known = _polygon_area(row) | figures[code]
            yield Division(
                code=code,
                display_name=row["name"],
                kind=row["level"].upper() if code.count(".") == 3 else "",  # noqa: PLR2004
                postal_code=row["postal_code"],
                aliases=aliases[code],
                figures=known,
                positions=_positions(row),
            )


def _polygon_area(row: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    if not row["poly_area_km2"]:
        return {}
    source = "geodesic area of the simplified polygon; not official"
    return {"area_km2": {"value": float(row["poly_area_km2"]), "date": "", "source": source}}


def _positions(row: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found = {}
    for which, prefix, source in (
        ("centroid", "", row["coord_kind"].replace("_", " ")),
        ("representative_point", "rep_", "computed; always inside the source polygon"),
    ):
        if row[f"{prefix}lat"]:
            found[which] = {
                "latitude": float(row[f"{prefix}lat"]),
                "longitude": float(row[f"{prefix}lon"]),
                "source": source,
            }
    return found


def _polygons(folder: Path) -> Iterator[tuple[str, tuple[bytes, str]]]:
    for name in POLYGON_FILES:
        path = folder / name
        if path.is_file():
            document = orjson.loads(path.read_bytes())
            source = document.get("source", name)
            for feature in document["features"]:
                geometry = shapely.to_wkb(shape(feature["geometry"]))
                yield feature["properties"]["code"], (geometry, source)
