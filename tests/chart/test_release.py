"""What a release is as a whole: its names, its secrets, its notes, and a service that is added."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOWERS = {
    "args": ["towers"],
    "needs": ["database", "bus", "issuer", "collector", "contactKeys"],
    "database": {"migrate": ["towers", "migrate"]},
    "resources": {"requests": {"memory": "160Mi"}, "limits": {"memory": "512Mi"}},
}
SECRET_WORDS = re.compile(r"PASSWORD|SEED|KEYS|SECRET|TOKEN|PRIVATE")
USER_AND_PASSWORD = re.compile(r"://[^/@\s\"']+:[^/@\s\"']+@")
EVERYTHING = "everything-on-values.yaml"


def test_a_service_costs_one_block_and_has_all_that_another_has(helm: Any) -> None:
    release = helm.release(workloads={"towers": TOWERS})
    assert own(release, "towers") == own(release, "inventory", renamed="towers")
    upstreams = release.component("ConfigMap", "gateway")["data"]["SMARTCITY_UPSTREAMS"]
    assert (
        json.loads(upstreams)["towers"] == "city-smartcity-towers.smartcity.svc.cluster.local:50051"
    )


def own(release: Any, name: str, renamed: str = "") -> list[Any]:
    """Return the objects of a workload and its migration, as they would be under another name."""
    found = [o for o in release.objects if f"-{name}" in o["metadata"]["name"]]
    text = json.dumps(strip(found)).replace(name, renamed or name)
    named: list[Any] = json.loads(text)
    assert len(named) == 8
    return sorted(named, key=lambda item: (item["kind"], item["metadata"]["name"]))


def strip(found: Any) -> Any:
    """Leave out the checksums, which follow from what else is compared."""
    if isinstance(found, dict):
        return {key: strip(value) for key, value in found.items() if key != "checksum/config"}
    return [strip(item) for item in found] if isinstance(found, list) else found


def test_a_workload_that_is_not_wanted_leaves_nothing(helm: Any) -> None:
    release = helm.release(workloads={"prober": {"enabled": False}})
    assert "prober" not in release.text


def test_two_releases_differ_by_their_name_alone(helm: Any, chart: Path) -> None:
    everything = chart / "ci" / EVERYTHING
    one, other = (helm.release(everything, name=name) for name in ("alpha", "omega"))
    names = [{(o["kind"], o["metadata"]["name"]) for o in r.objects} for r in (one, other)]
    assert names[0] & names[1] == set()
    text = json.dumps(strip(list(other.objects))).replace("omega", "alpha")
    assert json.loads(text) == strip(list(one.objects))


def test_no_release_chooses_the_pods_of_another(helm: Any) -> None:
    one, other = (helm.release(name=name) for name in ("alpha", "omega"))
    chosen = [s for item in one.objects for s in selectors(item) if "app.kubernetes.io/name" in s]
    pods = [d["spec"]["template"]["metadata"]["labels"] for d in other.of("Deployment").values()]
    assert len(chosen) > 10
    assert [(s, pod) for s in chosen for pod in pods if s.items() <= pod.items()] == []


def selectors(found: Any) -> list[dict[str, str]]:
    if isinstance(found, list):
        return [s for item in found for s in selectors(item)]
    if not isinstance(found, dict):
        return []
    here = [found["matchLabels"]] if "matchLabels" in found else []
    if found.get("kind") == "Service":
        here.append(found["spec"]["selector"])
    return here + [s for value in found.values() for s in selectors(value)]


def test_a_new_version_changes_images_and_labels_alone(helm: Any) -> None:
    old, new = (helm.release(image={"tag": tag}) for tag in ("1.0.0", "1.1.0"))
    changed = {
        (before.strip(), after.strip())
        for before, after in zip(old.text.splitlines(), new.text.splitlines(), strict=True)
        if before != after
    }
    assert changed == {
        (f"image: smartcity/{name}:1.0.0", f"image: smartcity/{name}:1.1.0")
        for name in ("services", "gateway")
    }


@pytest.mark.parametrize(
    ("image", "gateway"),
    [
        ({}, "smartcity/gateway:0.1.0"),
        ({"registry": "ghcr.io/paser", "tag": "2"}, "ghcr.io/paser/smartcity/gateway:2"),
        (
            {"tag": "2", "gateway": {"digest": f"sha256:{'a' * 64}"}},
            f"smartcity/gateway@sha256:{'a' * 64}",
        ),
    ],
)
def test_images_come_from_where_they_are_said_to(helm: Any, image: Any, gateway: str) -> None:
    deployment = helm.release(image=image).component("Deployment", "gateway")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == gateway


def test_no_secret_is_rendered(every_release: Callable[[], Any]) -> None:
    for example, release in every_release():
        assert release.of("Secret") == {}, example
        assert USER_AND_PASSWORD.findall(release.text) == [], example
        data = [o["data"] for o in release.of("ConfigMap").values()]
        told = [pair for one in data for pair in one.items()]
        for _, spec in release.pods():
            told += [(e["name"], e["value"]) for e in spec["containers"][0].get("env", [])]
        secret = {pair for pair in told if SECRET_WORDS.search(pair[0])}
        assert len({name for name, _ in secret}) == 3
        for name, value in secret:
            assert (name[-5:], value[:23]) == ("_FILE", "/etc/smartcity/secrets/"), example


def test_names_stay_short_enough_for_kubernetes(helm: Any) -> None:
    release = helm.release(name="a" * 53, workloads={"a" * 21: TOWERS})
    assert max(len(o["metadata"]["name"]) for o in release.objects) <= 63


def test_the_notes_tell_the_next_step(helm: Any) -> None:
    plain = helm.notes()
    assert "helm test city" in plain
    assert (
        "kubectl port-forward --namespace smartcity service/city-smartcity-gateway 8080:80" in plain
    )
    assert "telemetry.rules.enabled" in plain
    hosts = {"enabled": True, "host": "api.example.go.id"}
    exposed = helm.notes(ingress=hosts, edgeTls={"elsewhere": True})
    assert "https://api.example.go.id/docs" in exposed
    assert "port-forward" not in exposed


def test_the_notes_warn_of_a_prober_that_cannot_tell_its_own_outage(helm: Any) -> None:
    warning = "workloads.prober.env lacks SMARTCITY_PROBE_ANCHORS"
    assert warning in helm.notes()
    told = {"prober": {"env": {"SMARTCITY_PROBE_ANCHORS": "9.9.9.9"}}}
    assert warning not in helm.notes(workloads=told)
    assert "SMARTCITY_PROBE_ANCHORS" not in helm.notes(workloads={"prober": {"enabled": False}})


def test_the_edge_is_certified_for_every_name_that_leads_to_it(helm: Any, chart: Path) -> None:
    release = helm.release(chart / "ci" / EVERYTHING)
    certificate = release.of("Certificate")["city-edge"]
    hosts = {
        rule["host"] for one in release.of("Ingress").values() for rule in one["spec"]["rules"]
    }
    for kind in ("HTTPRoute", "GRPCRoute"):
        hosts |= {host for one in release.of(kind).values() for host in one["spec"]["hostnames"]}
    assert set(certificate["spec"]["dnsNames"]) == hosts
    told = {
        tls["secretName"] for one in release.of("Ingress").values() for tls in one["spec"]["tls"]
    }
    assert told == {certificate["spec"]["secretName"]}


def test_alerts_find_the_job_that_they_ask_for(helm: Any, chart: Path) -> None:
    release = helm.release(chart / "ci" / EVERYTHING)
    [monitor] = release.of("PodMonitor").values()
    for deployment in release.of("Deployment").values():
        template = deployment["spec"]["template"]
        assert template["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "smartcity"
        assert (
            monitor["spec"]["selector"]["matchLabels"].items()
            <= template["metadata"]["labels"].items()
        )
        ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in ports
