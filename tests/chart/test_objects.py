"""Every example renders objects that Kubernetes takes, and each workload has all of its own."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.definitions import Definitions, kubernetes_kind, said_of

CHART = Path(__file__).parents[2] / "charts/smartcity"
EXAMPLES = sorted((CHART / "ci").glob("*.yaml"))
CUSTOM = Definitions(Path(__file__).parent / "crds")
VERSIONS = ("1.31.0", "1.32.0", "1.33.0", "1.34.0")


def problems(item: dict[str, Any], version: str) -> list[str]:
    kind = item["kind"]
    if kind in CUSTOM.kinds:
        return CUSTOM.problems(item)
    group, _, short = item["apiVersion"].rpartition("/")
    api = f"{group.partition('.')[0]}-{short}" if group else short
    return said_of(item, kubernetes_kind(version, kind.lower(), api))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_kubernetes_takes_each_object(helm: Any, example: Path, version: str) -> None:
    objects = helm.release(example).objects
    assert [problem for item in objects for problem in problems(item, version)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_linter_is_content(helm: Any, example: Path) -> None:
    assert helm.lint(example) == ""


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("Deployment", ["spec", "replicaz"], 2, "replicaz"),
        ("Deployment", ["spec", "template", "spec", "containers", 0, "image"], 5, "image"),
        ("HTTPRoute", ["spec", "hostname"], "x", "hostname"),
        ("Certificate", ["spec", "isCa"], True, "isCa"),
        ("PodMonitor", ["spec", "podMetricsEndpoints", 0, "intervall"], "5s", "intervall"),
    ],
)
def test_the_check_of_objects_sees_what_is_wrong(
    helm: Any, kind: str, path: list[Any], value: Any, said: str
) -> None:
    everything = helm.release(CHART / "ci/everything-on-values.yaml")
    item = json.loads(json.dumps(next(o for o in everything.objects if o["kind"] == kind)))
    functools.reduce(lambda inner, key: inner[key], path[:-1], item)[path[-1]] = value
    assert any(said in problem for problem in problems(item, "1.34.0"))


def test_every_kind_of_object_is_in_some_example(helm: Any) -> None:
    kinds = {o["kind"] for example in EXAMPLES for o in helm.release(example).objects}
    wanted = {"Deployment", "Service", "Job", "ConfigMap", "ServiceAccount", "NetworkPolicy", "Pod"}
    wanted |= {"PodDisruptionBudget", "HorizontalPodAutoscaler", "Ingress"}
    assert kinds == wanted | CUSTOM.kinds


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_no_two_objects_have_one_name(helm: Any, example: Path) -> None:
    names = [(o["kind"], o["metadata"]["name"]) for o in helm.release(example).objects]
    assert len(names) == len(set(names))


def test_rules_and_dashboards_are_those_of_their_folders(helm: Any) -> None:
    release = helm.release(CHART / "ci/everything-on-values.yaml")
    rules = [file for file in (CHART / "rules").glob("*.yaml") if not file.stem.endswith("_test")]
    assert [o["spec"] for o in release.of("PrometheusRule").values()] == [
        yaml.safe_load(file.read_text()) for file in sorted(rules)
    ]
    boards = {file.name: file.read_text() for file in (CHART / "dashboards").glob("*.json")}
    shown = [
        o["data"]
        for o in release.of("ConfigMap").values()
        if "-dashboard-" in o["metadata"]["name"]
    ]
    assert {name: text for data in shown for name, text in data.items()} == boards
