"""The issuer of the tests."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def issuer() -> Iterator[Any]:
    spec = importlib.util.spec_from_file_location("issuer", Path(__file__).with_name("issuer.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.Issuer()
    yield made
    made.close()
