"""What the tests of the chart share: what helm renders, once for the same values."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/smartcity"
HELM = Path(sys.executable).parent / "helm"
ISSUER = {"identity": {"issuer": "https://keycloak.example.go.id/realms/smartcity"}}
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Release:
    """The objects of one release, as they go to Kubernetes."""

    objects: tuple[Object, ...]
    text: str

    def of(self, kind: str) -> dict[str, Object]:
        """Return the objects of a kind by name."""
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Yield the name and the specification of all that becomes pods."""
        for item in self.objects:
            if item["kind"] in ("Deployment", "Job"):
                yield item["metadata"]["name"], item["spec"]["template"]["spec"]
            if item["kind"] == "Pod":
                yield item["metadata"]["name"], item["spec"]

    def component(self, kind: str, component: str) -> Object:
        """Return the one object of a kind that a workload, Job or test has."""
        label = "app.kubernetes.io/component"
        [found] = [
            o for o in self.of(kind).values() if o["metadata"]["labels"].get(label) == component
        ]
        return found


class Helm:
    """Runs helm on the chart; the same words are answered from memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[str, ...], Release] = {}

    def release(
        self, *files: Path, name: str = "city", namespace: str = "smartcity", **values: Any
    ) -> Release:
        """Render values files and values above the issuer's; fail with what helm says."""
        words = self._words(files, values, name, namespace)
        if words not in self._known:
            done = self._run(*words)
            assert done.returncode == 0, done.stderr
            objects = tuple(found for found in yaml.safe_load_all(done.stdout) if found)
            self._known[words] = Release(objects, done.stdout)
        return self._known[words]

    def refusal(self, **values: Any) -> str:
        """Return what helm says of values that must be refused."""
        done = self._run(*self._words((), values, "city", "smartcity"))
        assert done.returncode != 0, "the values were taken"
        return done.stderr

    def lint(self, *files: Path) -> str:
        """Return what the strict linter says; "" when it is content."""
        given = [word for file in files for word in ("--values", str(file))]
        done = self._run("lint", "--strict", "--quiet", str(CHART), *given)
        return done.stdout + done.stderr if done.returncode else ""

    def notes(self, **values: Any) -> str:
        """Return what the operator reads after an install."""
        words = self._words((), values, "city", "smartcity")[3:]
        done = self._run("install", "--dry-run=client", "city", str(CHART), *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("NOTES:")[2]

    def _words(
        self, files: tuple[Path, ...], values: Mapping[str, Any], name: str, namespace: str
    ) -> tuple[str, ...]:
        given = [word for file in files for word in ("--values", str(file))]
        own = {**({} if files else ISSUER), **values}
        said = [f"{key}={json.dumps(value)}" for key, value in own.items()]
        sets = [word for value in said for word in ("--set-json", value)]
        return ("template", name, str(CHART), "--namespace", namespace, *given, *sets)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        homes = {f"HELM_{kind}_HOME": str(self._folder) for kind in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [HELM, *words], env=homes, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def chart() -> Path:
    return CHART


@pytest.fixture(scope="session")
def every_release(helm: Helm) -> Callable[[], Iterator[tuple[str, Release]]]:
    """Give what renders each example of `ci`, by its file's name."""

    def each() -> Iterator[tuple[str, Release]]:
        for file in sorted((CHART / "ci").glob("*.yaml")):
            yield file.name, helm.release(file)

    return each
