"""What the chart asks Prometheus: the queries of dashboards and rules, the metrics in them."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

STRING = re.compile(r'"(?:\\.|[^"\\])*"' + r"|'(?:\\.|[^'\\])*'")
MATCHERS = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
NAME = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])")
WORDS = frozenset({"and", "or", "unless", "bool", "offset"})
VARIABLE = re.compile(r"\$\w+")


def dashboard_queries(folder: Path, rate_interval: str = "5m") -> list[str]:
    """Return the queries of all panels, where every choice of a variable is chosen."""
    panels: list[Any] = []
    for path in sorted(folder.glob("*.json")):
        panels += json.loads(path.read_text(encoding="utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [chosen(query, rate_interval) for query in asked]


def chosen(query: str, rate_interval: str) -> str:
    """Return a query as Grafana asks it."""
    return VARIABLE.sub(".*", query.replace("$__rate_interval", rate_interval))


def rules(path: Path) -> list[dict[str, Any]]:
    """Return the rules of all groups of a file."""
    read = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


def metrics_in(query: str) -> set[str]:
    """Return the names of the metrics that a query is made of."""
    bare = LABELS.sub("", MATCHERS.sub("", STRING.sub("", query)))
    return set(NAME.findall(bare)) - WORDS
