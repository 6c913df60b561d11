"""Grafana's JSON of a dashboard that a table describes.

A table has `title`, `uid`, `description`, `rows` and, when it needs them, `variables`: by the
name of each the query of its choices. A row has a `title` and `panels`. A panel has `title`, `unit`
(as Grafana names it) and `queries`: the PromQL of each legend; and, when it differs, `kind`,
`description`, `stack` (areas on each other), `least` and `most` of its axis, `colours` of legends.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

TABLES = Path(__file__).parent
SCHEMA = 41
"""Of Grafana 12; older releases read it too, newer ones migrate it."""
WIDTH = 24
HEIGHT = 8
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
CHOICE_OF_SOURCE = {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus",
    "hide": 0,
}

Table = Mapping[str, Any]
Json = dict[str, Any]


def written() -> dict[str, str]:
    """Return the text of each dashboard by the name of its file."""
    return {f"{path.stem}.json": _text(path) for path in sorted(TABLES.glob("*.toml"))}


def _text(path: Path) -> str:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return json.dumps(dashboard(table), indent=2, ensure_ascii=False) + "\n"


def dashboard(table: Table) -> Json:
    """Return what Grafana imports."""
    return {
        "uid": table["uid"],
        "title": table["title"],
        "description": table["description"],
        "tags": ["smartcity"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": table.get("from", "now-6h"), "to": "now"},
        "timezone": "browser",
        "templating": {"list": [CHOICE_OF_SOURCE, *_variables(table.get("variables", {}))]},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_panels(table["rows"])),
    }


def _variables(queries: Mapping[str, str]) -> Iterator[Json]:
    for name, query in queries.items():
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _panels(rows: Sequence[Table]) -> Iterator[Json]:
    numbers, top = count(1), 0
    for row in rows:
        place = {"h": 1, "w": WIDTH, "x": 0, "y": top}
        yield {"id": next(numbers), "type": "row", "title": row["title"], "gridPos": place} | {
            "collapsed": False,
            "panels": [],
        }
        width = WIDTH // len(row["panels"])
        for column, panel in enumerate(row["panels"]):
            place = {"h": HEIGHT, "w": width, "x": column * width, "y": top + 1}
            yield {"id": next(numbers), "gridPos": place} | _panel(panel)
        top += HEIGHT + 1


def _panel(panel: Table) -> Json:
    return {
        "type": panel.get("kind", "timeseries"),
        "title": panel["title"],
        "description": panel.get("description", ""),
        "datasource": SOURCE,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "editorMode": "code",
                "expr": query,
                "legendFormat": legend,
                "range": True,
            }
            for place, (legend, query) in enumerate(panel["queries"].items())
        ],
    }


def _defaults(panel: Table) -> Json:
    shape = {"drawStyle": "line", "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    if panel.get("stack"):
        shape |= {"fillOpacity": 60, "stacking": {"group": "A", "mode": "normal"}}
    defaults: Json = {"unit": panel["unit"], "min": panel.get("least", 0), "custom": shape}
    return defaults | ({"max": panel["most"]} if "most" in panel else {})


def _overrides(panel: Table) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": legend},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for legend, colour in panel.get("colours", {}).items()
    ]


def _options(panel: Table) -> Json:
    if panel.get("kind") == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
