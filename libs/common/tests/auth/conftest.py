"""The issuer of the tests."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devstack.authority import Authority


def opened(tls_folder: Path | None = None) -> Any:
    spec = importlib.util.spec_from_file_location("issuer", Path(__file__).with_name("issuer.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Issuer(tls_folder)


@pytest.fixture
def issuer() -> Iterator[Any]:
    made = opened()
    yield made
    made.close()


@pytest.fixture
def tls_issuer(tmp_path: Path) -> Iterator[Any]:
    """One whose certificate the authority in `tmp_path / "ca.crt"` has signed."""
    made = opened(Authority("the regency").issue(tmp_path))
    yield made
    made.close()
