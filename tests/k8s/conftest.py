"""What the tests of `k8s/` share: its scripts run as an operator runs them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def k8s() -> Path:
    """Give the folder."""
    return ROOT / "k8s"


@pytest.fixture(scope="session")
def run_script(k8s: Path) -> Run:
    """Give the function that runs a Python script of the folder with words."""

    def run(script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(k8s / script), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture(scope="session")
def helm() -> Path:
    """Give the helm of the development environment."""
    return Path(sys.executable).parent / "helm"
