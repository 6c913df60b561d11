"""The manifests of `k8s/`: by the schemas of Kubernetes and of its operators, and what must fit."""

import copy
import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from devstack.definitions import Definitions

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
RELEASES = ["1.31", "1.32", "1.33", "1.34"]
CORE = re.compile(r"v1|apps/v1|batch/v1|networking\.k8s\.io/v1")
FILLED = {
    "ADDRESS": "smartcity.example.go.id",
    "AUTH_ADDRESS": "auth.example.go.id",
    "HOST": "auth.example.go.id",
    "URL": "https://auth.example.go.id",
    "PORT": "443",
    "DATABASE": "postgres",
    "ISSUER": "platform",
    "SERVICE_TYPE": "LoadBalancer",
    "KIND_NODE": "kindest/node:v1",
    "SEAWEEDFS_IMAGE": "seaweedfs:1",
}
NOT_MANIFESTS = (
    "environments",
    "postgres",
    "observability",
    "nats/values.yaml",
    "kind/cluster.yaml",
)
VERSION = re.compile(r"^([A-Z_]+)=(\S+)$", re.MULTILINE)
SCRIPTS = sorted(K8S.glob("**/*.sh"))
CUSTOM = Definitions(ROOT / "tests/chart/crds", ROOT / "tests/k8s/crds")
UNDEFINED = {"Keycloak"}
"""Kinds whose definitions are not here: nothing checks their fields."""
Object = dict[str, Any]


def filled(path: Path) -> str:
    text = path.read_text()
    for name, value in FILLED.items():
        text = text.replace(f"@{name}@", value)
    return text


def manifests() -> Iterator[tuple[Path, Object]]:
    for path in sorted(K8S.glob("**/*.yaml")):
        if not str(path.relative_to(K8S)).startswith(NOT_MANIFESTS):
            yield from ((path, one) for one in yaml.safe_load_all(filled(path)) if one)


ALL = [
    pytest.param(one, id=f"{one['kind']} {one['metadata']['name']} of {path.name}")
    for path, one in manifests()
]


def rendered(helm: Path, *words: str) -> list[Object]:
    sets = ["--set", "image=postgres:18", "--set", "backup.destination=s3://bucket/path"]
    command = [str(helm), "template", "postgres", str(K8S / "postgres"), *sets, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def databases(helm: Path) -> Iterator[Object]:
    """Yield what is made of databases: in each environment, by a restore, by a backup."""
    for environment in sorted(K8S.glob("environments/*.postgres.yaml")):
        yield from rendered(helm, "--values", str(environment))
    restored = ("name=postgres-2", "recovery.from=postgres", "recovery.until=2026-11-26T04:30:00Z")
    elsewhere = ("backup.endpoint=https://s3.example.go.id", "storage.class=fast")
    yield from rendered(helm, "--set", ",".join((*restored, *elsewhere)))
    yield from rendered(helm)
    _, backup, _ = re.split(
        r"<<BACKUP$|^BACKUP$", (K8S / "backup.sh").read_text(), flags=re.MULTILINE
    )
    yield yaml.safe_load(backup)


def custom(helm: Path) -> list[Object]:
    """Return all objects of kinds that are not Kubernetes' own."""
    every = [*(one for _, one in manifests()), *databases(helm)]
    return [one for one in every if not CORE.fullmatch(one["apiVersion"])]


def test_operators_know_every_field(helm: Path) -> None:
    found = custom(helm)
    kinds = {one["kind"] for one in found}
    assert kinds >= {"Cluster", "Database", "ScheduledBackup", "Backup", "ObjectStore", "Gateway"}
    assert kinds - CUSTOM.kinds == UNDEFINED
    defined = [one for one in found if one["kind"] in CUSTOM.kinds]
    assert [problem for one in defined for problem in CUSTOM.problems(one)] == []


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Cluster", ["spec", "instancez"], 3),
        ("Cluster", ["spec", "postgresql", "synchronous", "dataDurabilty"], "required"),
        ("Cluster", ["spec", "bootstrap", "initdb", "localProvider"], "builtin"),
        ("Cluster", ["spec", "managed", "roles", 0, "ensure"], "there"),
        ("Cluster", ["metadata", "anotations"], {}),
        ("Database", ["spec", "databaseReclaimPolicy"], "keep"),
        ("ScheduledBackup", ["spec", "imediate"], True),
        ("ObjectStore", ["spec", "configuration", "wal", "maxParalel"], 4),
        ("Gateway", ["spec", "listeners", 0, "tls", "certificateRef"], []),
        ("EnvoyProxy", ["spec", "provider", "kubernetes", "envoyPdb"], {}),
        ("BackendTrafficPolicy", ["spec", "timeout", "http", "requestTimeOut"], "0s"),
        ("ClusterIssuer", ["specs"], {}),
    ],
)
def test_a_field_that_no_operator_knows_is_seen(
    helm: Path, kind: str, path: list[Any], value: Any
) -> None:
    item = copy.deepcopy(next(one for one in rendered_or_written(helm) if one["kind"] == kind))
    functools.reduce(lambda inner, key: inner[key], path[:-1], item)[path[-1]] = value
    [problem] = CUSTOM.problems(item)
    assert str(path[-1]) in problem


def rendered_or_written(helm: Path) -> Iterator[Object]:
    yield from (one for _, one in manifests())
    yield from rendered(helm)


def test_the_definitions_are_of_the_versions_that_are_installed() -> None:
    named = dict(VERSION.findall((K8S / "versions.env").read_text()))
    told = (ROOT / "tests/k8s/crds/README.md").read_text()
    assert f"CloudNativePG v{named['CLOUDNATIVE_PG']} " in told
    assert f"Barman Cloud plugin v{named['BARMAN_PLUGIN']} " in told
    assert f"Envoy Gateway {named['ENVOY_GATEWAY_CHART']} " in told
    assert f"cert-manager {named['CERT_MANAGER_CHART']} " in told


@pytest.mark.parametrize("release", RELEASES)
def test_kubernetes_knows_every_field(helm: Path, release: str) -> None:
    every = [one for _, one in manifests()] + rendered(helm)
    core = [one for one in every if CORE.fullmatch(one["apiVersion"])]
    assert {one["kind"] for one in core} >= {"Namespace", "NetworkPolicy", "Job", "Deployment"}
    for one in core:
        kubernetes_validate.validate(one, release, strict=True)


@pytest.mark.parametrize("one", ALL)
def test_nothing_is_left_to_fill_in_and_nothing_is_secret(one: dict[str, Any]) -> None:
    assert one["kind"] != "Secret"
    assert re.findall(r"@[A-Z_]+@", yaml.safe_dump(one)) == []


def test_versions_stand_in_one_file_and_each_is_used() -> None:
    named = dict(VERSION.findall((K8S / "versions.env").read_text()))
    scripts = "\n".join(path.read_text() for path in SCRIPTS)
    assert {name for name in named if f"${name}" not in scripts} == set()
    pinned = re.compile(r"(?<![\d.])v?\d+\.\d+\.\d+\b(?!\.\d)")
    elsewhere = [hit for path in SCRIPTS for hit in pinned.findall(path.read_text())]
    assert elsewhere == []


def test_the_pods_of_the_bus_pass_the_namespace_they_are_in() -> None:
    values = yaml.safe_load((K8S / "nats/values.yaml").read_text())
    containers = [values[name]["merge"] for name in ("container", "reloader", "promExporter")]
    for one in containers:
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    pod = values["podTemplate"]["merge"]["spec"]["securityContext"]
    assert (pod["runAsNonRoot"], pod["seccompProfile"]) == (True, {"type": "RuntimeDefault"})


def test_the_alert_of_certificates_has_its_metric_with_the_certificates_own_labels() -> None:
    rules = (ROOT / "charts/smartcity/rules/alerts.yaml").read_text()
    assert "min by (namespace, name) (certmanager_certificate_expiration" in rules
    [monitor] = [one for _, one in manifests() if one["kind"] == "PodMonitor"]
    assert monitor["metadata"]["namespace"] == "cert-manager"
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["honorLabels"] is True
    assert '-f "$K8S/edge/monitor.yaml"' in (K8S / "install.sh").read_text()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(K8S)))
def test_a_script_has_no_fault_that_shellcheck_knows(script: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert shellcheck is not None
    done = subprocess.run(
        [shellcheck, "--external-sources", str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    assert done.returncode == 0
