"""The environments: the smartcity chart takes their values, and the parts of one fit together."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import inventory.settings
import monitoring.settings
import pytest
import yaml
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "k8s/environments"
NAMES = ["laptop", "paser", "ten-regencies"]
Objects = list[dict[str, Any]]
POOLS: dict[str, type[BaseSettings]] = {
    "inventory": inventory.settings.InventorySettings,
    "monitoring": monitoring.settings.MonitoringSettings,
    "prober": monitoring.settings.ProberSettings,
}
FOR_OPERATORS = 20
"""Connections that stay free: the operator's, replicas, migrations, people (docs/operations.md)."""


def addresses(name: str) -> dict[str, str]:
    text = (FOLDER / f"{name}.env").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


@cache
def objects(helm: Path, name: str) -> Objects:
    """Return what k8s/install.sh would give to the cluster."""
    values = ["--values", str(FOLDER / f"{name}.yaml"), "--set-string", "image.tag=1"]
    command = [str(helm), "template", "smartcity", str(ROOT / "charts/smartcity")]
    done = subprocess.run(
        [*command, "--namespace", "smartcity", *values, "--set", "image.registry=r.example"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of_kind(found: Objects, kind: str) -> Objects:
    return [one for one in found if one["kind"] == kind]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_environment_is_tried() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.toml")) == NAMES


def test_the_routes_are_those_that_the_gateway_listens_for(helm: Path, name: str) -> None:
    env = addresses(name)
    gateway = (ROOT / "k8s/edge/gateway.yaml").read_text()
    listened = {
        host.replace("@ADDRESS@", env["ADDRESS"])
        for host in re.findall(r'hostname: "(.+)"', gateway)
    }
    found = objects(helm, name)
    routes = of_kind(found, "HTTPRoute") + of_kind(found, "GRPCRoute")
    hosts = {host for route in routes for host in route["spec"]["hostnames"]}
    assert hosts == {env["ADDRESS"], f"grpc.{env['ADDRESS']}"}
    assert hosts <= listened
    parents = [parent for route in routes for parent in route["spec"]["parentRefs"]]
    assert {(one["namespace"], one["name"]) for one in parents} == {("edge", "edge")}


@pytest.mark.parametrize("regency", ["paser", "ten-regencies"])
def test_probers_can_tell_their_own_outage(helm: Path, regency: str) -> None:
    [told] = [
        one["data"] for one in of_kind(objects(helm, regency), "ConfigMap") if is_of(one, "prober")
    ]
    assert told["SMARTCITY_PROBE_ANCHORS"].count(",") >= 1


def test_the_edge_ends_no_watch(helm: Path, name: str) -> None:
    """Envoy Gateway ends an answer after 15 s where nothing says otherwise."""
    found = objects(helm, name)
    text = re.sub(r"@[A-Z_]+@", "443", (ROOT / "k8s/edge/gateway.yaml").read_text())
    policies = of_kind(list(yaml.safe_load_all(text)), "BackendTrafficPolicy")
    endless = {
        target["name"]
        for policy in policies
        if policy["spec"]["timeout"]["http"]["requestTimeout"] == "0s"
        for target in policy["spec"]["targetRefs"]
        if (policy["metadata"]["namespace"], target["kind"]) == ("smartcity", "GRPCRoute")
    }
    assert {route["metadata"]["name"] for route in of_kind(found, "GRPCRoute")} == endless
    rules = [rule for route in of_kind(found, "HTTPRoute") for rule in route["spec"]["rules"]]
    assert [rule["timeouts"]["request"] for rule in rules] == ["0s"]


def test_the_issuer_is_the_realm_at_its_public_address(helm: Path, name: str) -> None:
    env = addresses(name)
    port = "" if env["EDGE_PORT"] == "443" else f":{env['EDGE_PORT']}"
    wanted = f"https://{env['AUTH_ADDRESS']}{port}/realms/smartcity"
    assert f"{wanted}\n" in yaml.safe_dump_all(objects(helm, name), width=1000)


def test_every_secret_that_a_pod_mounts_is_made_by_somebody(
    helm: Path, name: str, secrets: Any
) -> None:
    secrets.make(FOLDER / f"{name}.toml")
    ours = {secret for namespace, secret in secrets.found() if namespace == "smartcity"}
    found = objects(helm, name)
    certified = {one["spec"]["secretName"] for one in of_kind(found, "Certificate")}
    elsewhere = {"postgres-ca", "nats-tls"}  # of CloudNativePG, and of k8s/nats/cluster.yaml
    pods = [
        one["spec"]["template"]["spec"] for one in found if one["kind"] in ("Deployment", "Job")
    ]
    mounted = set(re.findall(r"secretName: (\S+)|secret: \{name: (\S+)", yaml.safe_dump(pods)))
    names = {first or second for first, second in mounted} | projected(pods)
    assert names >= {"postgres-inventory", "postgres-inventory-owner", "nats-platform"}
    assert names - ours - certified - elsewhere == set()


def projected(pods: Objects) -> set[str]:
    volumes = [volume for pod in pods for volume in pod.get("volumes", [])]
    sources = [
        source for volume in volumes for source in volume.get("projected", {}).get("sources", [])
    ]
    return {source["secret"]["name"] for source in sources if "secret" in source}


def test_traces_go_to_the_collector_that_is_installed(name: str) -> None:
    collector = yaml.safe_load((ROOT / "k8s/observability/collector.yaml").read_text())
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    host = f"{collector['fullnameOverride']}.observability:4317"
    assert values["telemetry"]["otlpAddress"] == host


def test_the_dashboards_are_labelled_as_grafana_looks_for_them() -> None:
    grafana = yaml.safe_load((ROOT / "k8s/observability/prometheus.yaml").read_text())["grafana"]
    sidecar = grafana["sidecar"]["dashboards"]
    chart = yaml.safe_load((ROOT / "charts/smartcity/values.yaml").read_text())["telemetry"]
    assert chart["dashboards"]["labels"] == {sidecar["label"]: sidecar["labelValue"]}
    template = (ROOT / "charts/smartcity/templates/telemetry.yaml").read_text()
    assert f"{sidecar['folderAnnotation']}:" in template


def test_every_service_with_a_database_has_one_on_the_cluster(helm: Path) -> None:
    """The chart's URLs lead to the cluster, database and role that k8s/postgres makes."""
    text = yaml.safe_dump_all(objects(helm, "paser"), width=1000)
    urls = set(re.findall(r"postgres(?:ql)?://(\w+)@([\w-]+):5432/(\w+)", text))
    services = yaml.safe_load((ROOT / "k8s/postgres/values.yaml").read_text())["services"]
    assert {host for _, host, _ in urls} == {"postgres-rw"}
    assert {database for _, _, database in urls} == set(services)
    roles = {role for service in services for role in (service, f"{service}_owner")}
    assert {role for role, _, _ in urls} == roles


def test_all_pools_together_fit_the_database(helm: Path, name: str) -> None:
    """At the most replicas that there may be, and one more of each while they are replaced."""
    found = objects(helm, name)
    pools = sum((most(found, part) + 1) * connections(found, part) for part in POOLS)
    text = re.sub(r"@[A-Z]+@", "filled", (ROOT / "k8s/keycloak/keycloak.yaml").read_text())
    keycloak = next(yaml.safe_load_all(text))["spec"]
    pools += keycloak["instances"] * keycloak["db"]["poolMaxSize"]
    assert pools + FOR_OPERATORS <= max_connections(name)


def most(found: Objects, part: str) -> int:
    [deployment] = [one for one in of_kind(found, "Deployment") if is_of(one, part)]
    scaled = [one for one in of_kind(found, "HorizontalPodAutoscaler") if is_of(one, part)]
    return int(scaled[0]["spec"]["maxReplicas"] if scaled else deployment["spec"]["replicas"])


def connections(found: Objects, part: str) -> int:
    [told] = [one["data"] for one in of_kind(found, "ConfigMap") if is_of(one, part)]
    default = POOLS[part].model_fields["database_connections"].default
    return int(told.get("SMARTCITY_DATABASE_CONNECTIONS", default))


def is_of(one: dict[str, Any], part: str) -> bool:
    return bool(one["metadata"]["name"] == f"smartcity-{part}")


def max_connections(name: str) -> int:
    files = [ROOT / "k8s/postgres/values.yaml", FOLDER / f"{name}.postgres.yaml"]
    given: dict[str, str] = {}
    for file in files:
        if file.exists():
            given |= yaml.safe_load(file.read_text()).get("parameters", {})
    return int(given["max_connections"])
