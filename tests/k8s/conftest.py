"""What the tests of `k8s/` share: its scripts run as an operator runs them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
KUBECTL = '''#!{python}
"""Stands for a cluster that holds Secrets: a file each, and every command line."""
import json, pathlib, sys
store, words = pathlib.Path({store!r}), sys.argv[1:]
with (store / "commands").open("a") as commands:
    commands.write(" ".join(words) + "\\n")
if words[:2] == ["get", "secret"]:
    found = store / f"{{words[4]}}.{{words[2]}}.json"
    sys.stdout.write(found.read_text() if found.exists() else "")
elif words == ["create", "-f", "-"]:
    import base64
    given = json.load(sys.stdin)
    given["data"] = {{
        key: base64.b64encode(value.encode()).decode()
        for key, value in given.pop("stringData").items()
    }}
    place = given["metadata"]
    with (store / f"{{place['namespace']}}.{{place['name']}}.json").open("x") as file:
        json.dump(given, file)
else:
    sys.exit(f"not expected: {{words}}")
'''


@dataclass(frozen=True, slots=True)
class Secrets:
    """The Secrets of a cluster, and `made_secrets.py` to make them."""

    store: Path
    run: Run

    def make(self, environment: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        path = f"{self.store}{os.pathsep}{os.environ['PATH']}"
        return self.run("made_secrets.py", environment, *words, env={"PATH": path})

    def found(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return what is there by namespace and name."""
        every = [json.loads(path.read_text()) for path in self.store.glob("*.json")]
        return {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in every}


@pytest.fixture(scope="session")
def k8s() -> Path:
    """Give the folder."""
    return ROOT / "k8s"


@pytest.fixture(scope="session")
def run_script(k8s: Path) -> Run:
    """Give the function that runs a Python script of the folder with words."""

    def run(
        script: str, *words: str | Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(k8s / script), *map(str, words)]
        environment = {**os.environ, **(env or {})}
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, env=environment
        )

    return run


@pytest.fixture
def secrets(tmp_path: Path, run_script: Run) -> Secrets:
    """Give a cluster without Secrets."""
    store = tmp_path / "cluster"
    store.mkdir()
    program = store / "kubectl"
    program.write_text(KUBECTL.format(python=sys.executable, store=str(store)))
    program.chmod(0o755)
    return Secrets(store, run_script)


@pytest.fixture(scope="session")
def helm() -> Path:
    """Give the helm of the development environment."""
    return Path(sys.executable).parent / "helm"
