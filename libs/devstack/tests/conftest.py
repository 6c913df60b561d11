"""What the tests of the stack share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from devstack.testing import open_folder


@pytest.fixture
def folder(servers_folder: Path) -> Iterator[Path]:
    path = open_folder("test-", servers_folder)
    yield path
    shutil.rmtree(path, ignore_errors=True)
