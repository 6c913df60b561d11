"""A service is in every place that must know it: one that is forgotten fails here, not there."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WITH_TABLES = {folder.parent.name for folder in ROOT.glob("services/*/migrations")}
ALL = {folder.name for folder in ROOT.glob("services/*") if (folder / "pyproject.toml").is_file()}


def read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def in_chart() -> set[str]:
    """Those whose database a Job of the chart migrates."""
    workloads = read("charts/smartcity/values.yaml")["workloads"].items()
    return {name for name, block in workloads if block.get("database", {}).get("migrate")}


def in_cluster() -> set[str]:
    """Those that have a database and two roles on a cluster."""
    return set(read("k8s/postgres/values.yaml")["services"])


def in_compose() -> set[str]:
    """Those that are migrated before they start."""
    services = read("docker/compose.yaml")["services"]
    return {
        name
        for name, one in services.items()
        if one.get("depends_on", {}).get(f"{name}-migrate") and f"{name}-migrate" in services
    }


def behind_the_edge() -> set[str]:
    """Those that the edge of docker/compose.yaml leads to."""
    gateway = read("docker/compose.yaml")["services"]["gateway"]
    return set(json.loads(gateway["environment"]["SMARTCITY_UPSTREAMS"])) & set(
        gateway["depends_on"]
    )


def in_postgres_of_compose() -> set[str]:
    """Those whose database and roles are made at its first start."""
    script = (ROOT / "docker/postgres/create-databases.sh").read_text()
    [names] = re.findall(r"^for SERVICE in (.+); do$", script, re.MULTILINE)
    passwords = set(read("docker/compose.yaml")["services"]["postgres"]["secrets"])
    return {
        one for one in names.split() if {f"{one}_password", f"{one}_owner_password"} <= passwords
    }


PLACES = (in_chart, in_cluster, in_compose, behind_the_edge, in_postgres_of_compose)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_every_service_with_tables_is_there(place: Callable[[], set[str]]) -> None:
    assert place() == WITH_TABLES


def test_every_service_is_installed() -> None:
    [packages] = re.findall(r"^PACKAGES := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    services = {one for one in packages.split() if one.startswith("services/")}
    assert services == {f"services/{name}" for name in ALL}
