"""Each workload has all that a workload must have; pods are as restricted as they can be."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monitoring.events import circuits, districts, incidents, points

EVERYTHING = "everything-on-values.yaml"
WORKLOADS = {
    "inventory": "service",
    "monitoring": "service",
    "prober": "worker",
    "gateway": "gateway",
}
EACH = ("Deployment", "ServiceAccount", "ConfigMap", "NetworkPolicy", "PodDisruptionBudget")
BY_KIND = {"service": ("Service",), "worker": (), "gateway": ("Service",)}
ALLOWED_SYSCTLS = {"net.ipv4.ping_group_range"}


@pytest.mark.parametrize(("name", "kind"), WORKLOADS.items())
def test_a_workload_has_all_of_its_objects(helm: Any, name: str, kind: str) -> None:
    release = helm.release()
    for wanted in (*EACH, *BY_KIND[kind]):
        assert release.component(wanted, name)["metadata"]["name"] == f"city-smartcity-{name}"


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_rolling_update_takes_no_pod_before_another_is_ready(helm: Any, name: str) -> None:
    spec = helm.release().component("Deployment", name)["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert spec["replicas"] == 2
    keys = {one["topologyKey"] for one in spec["template"]["spec"]["topologySpreadConstraints"]}
    assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.parametrize(("name", "kind"), WORKLOADS.items())
def test_liveness_does_not_ask_what_is_behind_the_process(helm: Any, name: str, kind: str) -> None:
    [container] = pod(helm.release(), name)["containers"]
    live, ready = container["livenessProbe"], container["readinessProbe"]
    if kind == "gateway":
        asked = [probe["httpGet"]["path"] for probe in (container["startupProbe"], live, ready)]
        assert asked == ["/healthz", "/healthz", "/readyz/edge"]
        return
    assert (live["grpc"]["service"], ready["grpc"]["service"]) == ("liveness", "")
    address = environment(helm.release(), name)["SMARTCITY_HEALTH_ADDRESS"]
    assert {str(probe["grpc"]["port"]) for probe in (live, ready)} == {address.rpartition(":")[2]}


@pytest.mark.parametrize("seconds", [5, 7, 61])
def test_the_first_start_may_take_as_long_as_it_is_given(helm: Any, seconds: int) -> None:
    given = {"probes": {"startupSeconds": seconds, "periodSeconds": 5}}
    [container] = pod(helm.release(workloadDefaults=given), "inventory")["containers"]
    assert container["startupProbe"]["failureThreshold"] == math.ceil(seconds / 5)


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("times", [(0, 10, 5), (5, 20, 10), (30, 300, 15)])
def test_grace_fits_leaving_and_draining(helm: Any, name: str, times: tuple[int, int, int]) -> None:
    leave, drain, margin = times
    given = {"leaveSeconds": leave, "drainSeconds": drain, "marginSeconds": margin}
    release = helm.release(workloadDefaults={"shutdown": given})
    told = environment(release, name)
    waits = float(told.get("SMARTCITY_LEAVE_S", 0)) + float(told.get("SMARTCITY_DRAIN_S", 0))
    assert pod(release, name)["terminationGracePeriodSeconds"] == leave + drain + margin > waits


def test_every_pod_passes_the_restricted_standard(every_release: Callable[[], Any]) -> None:
    for example, release in every_release():
        for name, spec in release.pods():
            assert unrestricted(spec) == [], (example, name)


def unrestricted(spec: dict[str, Any]) -> list[str]:
    """Return what the restricted Pod Security Standard refuses, and what we refuse beyond it."""
    around = spec["securityContext"]
    found = [] if around["runAsNonRoot"] and around["runAsUser"] else ["root"]
    found += [] if around["seccompProfile"] == {"type": "RuntimeDefault"} else ["seccomp"]
    found += [] if spec["automountServiceAccountToken"] is False else ["token"]
    found += [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    found += [
        one["name"] for one in around.get("sysctls", []) if one["name"] not in ALLOWED_SYSCTLS
    ]
    kinds = {"emptyDir", "projected", "secret", "configMap"}
    found += [v["name"] for v in spec.get("volumes", []) if not v.keys() - {"name"} <= kinds]
    for container in spec["containers"]:
        own = container["securityContext"]
        wanted = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        found += [] if own == wanted else [f"{container['name']}: {own}"]
        found += [] if "memory" in container["resources"]["limits"] else ["no limit of memory"]
    return found


def test_every_pod_says_what_it_needs(every_release: Callable[[], Any]) -> None:
    for _, release in every_release():
        for name, spec in release.pods():
            [container] = spec["containers"]
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), name


def test_the_prober_alone_opens_ping_sockets(helm: Any) -> None:
    with_sysctls = {
        name: spec["securityContext"]["sysctls"]
        for name, spec in helm.release().pods()
        if "sysctls" in spec["securityContext"]
    }
    group = pod(helm.release(), "prober")["securityContext"]["runAsGroup"]
    allowed = {"name": "net.ipv4.ping_group_range", "value": f"{group} {group}"}
    assert with_sysctls == {"city-smartcity-prober": [allowed]}


def test_a_changed_setting_begins_new_pods_and_only_of_whom_it_concerns(helm: Any) -> None:
    before, after = (
        helm.release(workloads={"monitoring": {"env": {"SMARTCITY_KEPT_DAYS": days}}})
        for days in ("35", "36")
    )
    changed = [name for name in WORKLOADS if checksum(before, name) != checksum(after, name)]
    assert changed == ["monitoring"]


def test_services_are_headless_and_the_edge_has_an_address(helm: Any) -> None:
    services = helm.release().of("Service")
    assert {name: one["spec"].get("clusterIP", "own") for name, one in services.items()} == {
        "city-smartcity-inventory": "None",
        "city-smartcity-monitoring": "None",
        "city-smartcity-gateway": "own",
    }
    unready = {n for n, one in services.items() if one["spec"].get("publishNotReadyAddresses")}
    assert unready == {"city-smartcity-inventory", "city-smartcity-monitoring"}


def test_what_scales_sets_no_number_of_replicas(helm: Any, chart: Path) -> None:
    release = helm.release(chart / "ci" / EVERYTHING)
    for name, scaler in (("inventory", "HorizontalPodAutoscaler"), ("monitoring", "ScaledObject")):
        deployment = release.component("Deployment", name)
        target = release.component(scaler, name)["spec"]["scaleTargetRef"]
        assert "replicas" not in deployment["spec"]
        assert target["name"] == deployment["metadata"]["name"]


def test_lag_is_read_from_where_another_namespace_finds_it(helm: Any, chart: Path) -> None:
    """And of consumers that there are."""
    everything = chart / "ci" / EVERYTHING
    asked = lag_of(helm.release(everything))
    address = "nats-headless.smartcity.svc.cluster.example:8222"
    assert {one["natsServerMonitoringEndpoint"] for one in asked} == {address}
    interests = (points.INTEREST, districts.INTEREST, circuits.INTEREST, incidents.INTEREST)
    known = {(one.stream, one.consumer) for one in interests}
    assert {(one["stream"], one["consumer"]) for one in asked} <= known
    own = {"monitoringAddress": "monitor.nats:8222"}
    told = lag_of(helm.release(everything, bus=own))
    assert {one["natsServerMonitoringEndpoint"] for one in told} == {"monitor.nats:8222"}


def lag_of(release: Any) -> list[dict[str, str]]:
    triggers = release.component("ScaledObject", "monitoring")["spec"]["triggers"]
    return [trigger["metadata"] for trigger in triggers]


def test_one_replica_can_be_drained(helm: Any) -> None:
    release = helm.release(workloadDefaults={"replicas": 1})
    budgets = release.of("PodDisruptionBudget").values()
    assert [one["spec"]["maxUnavailable"] for one in budgets] == [1] * len(WORKLOADS)


def test_pods_mount_every_volume_that_they_have(every_release: Callable[[], Any]) -> None:
    for example, release in every_release():
        for name, spec in release.pods():
            mounted = {one["name"] for one in spec["containers"][0].get("volumeMounts", [])}
            assert mounted == {one["name"] for one in spec.get("volumes", [])}, (example, name)


def test_the_migration_runs_before_all_else_as_the_owner(helm: Any) -> None:
    release = helm.release()
    for name in ("inventory", "monitoring"):
        job = release.component("Job", f"{name}-migrate")
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        [container] = job["spec"]["template"]["spec"]["containers"]
        assert container["args"] == [name, "migrate"]
        told = {one["name"]: one["value"] for one in container["env"]}
        assert told["SMARTCITY_MIGRATION_URL"].startswith(
            f"postgres://{name}_owner@postgres-rw:5432/{name}?"
        )
        assert f"postgres-{name}-owner" in secrets(job["spec"]["template"]["spec"])
        assert f"postgres-{name}-owner" not in secrets(pod(release, name))


def test_a_migration_may_take_as_long_as_its_database_is_given(helm: Any) -> None:
    long = {"inventory": {"database": {"migrateSeconds": 7200}}}
    release = helm.release(workloads=long)
    times = {
        name: release.component("Job", name)["spec"]["activeDeadlineSeconds"]
        for name in ("inventory-migrate", "monitoring-migrate", "streams")
    }
    assert times == {"inventory-migrate": 7200, "monitoring-migrate": 600, "streams": 600}


def test_jobs_policies_are_there_before_the_jobs_and_gone_after(helm: Any) -> None:
    release = helm.release()
    for job in release.of("Job").values():
        policy = release.of("NetworkPolicy")[job["metadata"]["name"]]
        hooks = [item["metadata"]["annotations"] for item in (policy, job)]
        assert hooks[0]["helm.sh/hook"] == hooks[1]["helm.sh/hook"]
        assert int(hooks[0]["helm.sh/hook-weight"]) < int(hooks[1]["helm.sh/hook-weight"])
        assert "hook-succeeded" in hooks[0]["helm.sh/hook-delete-policy"]


def pod(release: Any, name: str) -> Any:
    return release.component("Deployment", name)["spec"]["template"]["spec"]


def environment(release: Any, name: str) -> dict[str, str]:
    data: dict[str, str] = release.of("ConfigMap")[f"city-smartcity-{name}"]["data"]
    return data


def checksum(release: Any, name: str) -> str:
    template = release.component("Deployment", name)["spec"]["template"]
    return str(template["metadata"]["annotations"]["checksum/config"])


def secrets(spec: dict[str, Any]) -> set[str]:
    sources = [
        s for volume in spec["volumes"] for s in volume.get("projected", {}).get("sources", [])
    ]
    return {source["secret"]["name"] for source in sources}
