"""The README tells every value, its default, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROW = re.compile(r"^\| `([^`]+)` \| `([^`]*)` \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def values(chart: Path) -> Any:
    return yaml.safe_load((chart / "values.yaml").read_text())


@pytest.fixture(scope="module")
def described(chart: Path) -> dict[str, Any]:
    """Give each value that the tables name, with the default that they tell."""
    tables = (chart / "README.md").read_text().partition("\n## Values\n")[2]
    rows = ROW.findall(tables)
    assert len(rows) == len({path for path, _, _ in rows}), "a value is told twice"
    return {path: yaml.safe_load(default) for path, default, _ in rows}


def test_each_value_that_is_told_is_there_with_that_default(
    values: Any, described: dict[str, Any]
) -> None:
    there = {path: value for path, value in every(values) if path in described}
    assert there == described


def test_each_value_is_told(values: Any, described: dict[str, Any]) -> None:
    leaves = [path for path, value in every(values) if not isinstance(value, dict) or not value]
    assert [path for path in leaves if not any(is_in(path, told) for told in described)] == []


def test_each_row_is_read(chart: Path, described: dict[str, Any]) -> None:
    tables = (chart / "README.md").read_text().partition("\n## Values\n")[2]
    lines = [line for line in tables.splitlines() if line.startswith("| `")]
    assert len(lines) == len(described)


def every(found: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each map and leaf by its path."""
    if at:
        yield at, found
    if isinstance(found, dict):
        for key, value in found.items():
            yield from every(value, f"{at}.{key}" if at else key)


def is_in(path: str, told: str) -> bool:
    return path == told or path.startswith(f"{told}.")
