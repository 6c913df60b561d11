"""The policies open exactly the arrows that are drawn here, in both directions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

COMPONENT = "app.kubernetes.io/component"
DNS = "kube-system/kube-dns"
OUTSIDE = "0.0.0.0/0 without private networks"
ANYWHERE = "0.0.0.0/0 without link-local"
MAIL_AND_WEB = ("443/TCP", "587/TCP", "465/TCP", "25/TCP")
POSTGRES, BUS, ISSUER = ("postgres", "5432/TCP"), ("nats", "4222/TCP"), ("keycloak", "8443/TCP")
COLLECTOR = ("observability", "4317/TCP")
SERVICES = ("inventory", "monitoring")
PROCESSES = (*SERVICES, "prober", "gateway")
JOBS = {"streams": BUS, "inventory-migrate": POSTGRES, "monitoring-migrate": POSTGRES}

OUT = {
    *((name, *to) for name in SERVICES for to in (POSTGRES, BUS, ISSUER, COLLECTOR)),
    *(("monitoring", OUTSIDE, port) for port in MAIL_AND_WEB),
    ("prober", *POSTGRES),
    ("prober", *BUS),
    ("prober", ANYWHERE, "any"),
    *(("gateway", name, "50051/TCP") for name in SERVICES),
    ("gateway", *COLLECTOR),
    *((job, *to) for job, to in JOBS.items()),
    ("test", "gateway", "8080/TCP"),
    *((name, DNS, port) for name in (*PROCESSES, *JOBS, "test") for port in ("53/UDP", "53/TCP")),
}
IN = {
    *(("observability", name, "9101/TCP") for name in PROCESSES),
    *(("gateway", name, "50051/TCP") for name in SERVICES),
    ("ingress", "gateway", "8080/TCP"),
    ("test", "gateway", "8080/TCP"),
}


@pytest.fixture(scope="module")
def release(helm: Any) -> Any:
    return helm.release(telemetry={"otlpAddress": "otel-collector.observability:4317"})


def test_pods_reach_exactly_whom_they_need(release: Any) -> None:
    assert {arrow for policy in policies(release) for arrow in leaving(policy)} == OUT


def test_pods_are_reached_by_exactly_who_may(release: Any) -> None:
    assert {arrow for policy in policies(release) for arrow in entering(policy)} == IN


def test_what_one_may_call_lets_it_in(release: Any) -> None:
    """An arrow between two pods of the release needs a policy at each of its ends."""
    ours = {*PROCESSES, *JOBS, "test"}
    left = {arrow for policy in policies(release) for arrow in leaving(policy)}
    entered = {arrow for policy in policies(release) for arrow in entering(policy)}
    assert {arrow for arrow in left if arrow[1] in ours} == {a for a in entered if a[0] in ours}


def test_nothing_is_open_that_no_policy_opens(release: Any) -> None:
    [around] = [p for p in release.of("NetworkPolicy").values() if not component(p)]
    spec = around["spec"]
    assert (spec["policyTypes"], spec.keys()) == (
        ["Ingress", "Egress"],
        {"podSelector", "policyTypes"},
    )
    for name, pod in labelled(release):
        assert spec["podSelector"]["matchLabels"].items() <= pod.items(), name


def test_each_pod_has_one_policy_of_its_own_that_bounds_both_directions(release: Any) -> None:
    for name, labels in labelled(release):
        chosen = [p for p in policies(release) if selected(p).items() <= labels.items()]
        assert [p["spec"]["policyTypes"] for p in chosen] == [["Ingress", "Egress"]], name


def test_no_collector_no_way_to_it(helm: Any) -> None:
    found = {arrow for policy in policies(helm.release()) for arrow in leaving(policy)}
    assert found == {arrow for arrow in OUT if arrow[1:] != COLLECTOR}


def test_networks_stand_in_place_of_labels(helm: Any, chart: Path) -> None:
    everything = helm.release(chart / "ci/everything-on-values.yaml")
    policy = everything.component("NetworkPolicy", "inventory")
    found = {arrow[1:] for arrow in leaving(policy)}
    assert found - {(DNS, "53/UDP"), (DNS, "53/TCP"), COLLECTOR} == {
        ("10.20.0.5/32", "5432/TCP"),
        ("10.20.0.6/32", "5432/TCP"),
        ("203.0.113.7/32", "443/TCP"),
        ("nats", "4222/TCP"),
    }


def test_without_policies_there_are_none(helm: Any) -> None:
    assert helm.release(networkPolicy={"enabled": False}).of("NetworkPolicy") == {}


def test_a_service_that_calls_another_draws_one_more_arrow(helm: Any) -> None:
    given = {"monitoring": {"calls": ["inventory"]}}
    release = helm.release(workloads=given)
    arrow = ("monitoring", "inventory", "50051/TCP")
    assert arrow in set(leaving(release.component("NetworkPolicy", "monitoring")))
    assert arrow in set(entering(release.component("NetworkPolicy", "inventory")))


def policies(release: Any) -> list[dict[str, Any]]:
    return [policy for policy in release.of("NetworkPolicy").values() if component(policy)]


def component(policy: dict[str, Any]) -> str:
    return str(selected(policy).get(COMPONENT, ""))


def selected(policy: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = policy["spec"]["podSelector"]["matchLabels"]
    return labels


def leaving(policy: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for rule in policy["spec"].get("egress", []):
        for peer in rule["to"]:
            yield from ((component(policy), place(peer), port) for port in ports(rule))


def entering(policy: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for rule in policy["spec"].get("ingress", []):
        for peer in rule["from"]:
            yield from ((place(peer), component(policy), port) for port in ports(rule))


def ports(rule: dict[str, Any]) -> list[str]:
    return [f"{one['port']}/{one['protocol']}" for one in rule.get("ports", [])] or ["any"]


def place(peer: dict[str, Any]) -> str:
    if "ipBlock" in peer:
        return network(**peer["ipBlock"])
    pods = peer["podSelector"].get("matchLabels", {})
    namespace = (
        peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
    )
    if COMPONENT in pods:
        assert namespace is None
        return str(pods[COMPONENT])
    names = [*([namespace] if namespace else []), *pods.values()]
    return "/".join(names) or "everybody here"


def network(cidr: str, **excepted: list[str]) -> str:
    without = set(excepted.get("except", []))
    if cidr.endswith("/0") and without in ({"169.254.0.0/16"}, {"fe80::/10"}):
        return ANYWHERE
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"}
    if cidr.endswith("/0") and (private <= without or {"fc00::/7", "fe80::/10"} <= without):
        return OUTSIDE
    return f"{cidr} but {sorted(without)}" if without else cidr


def labelled(release: Any) -> Iterator[tuple[str, dict[str, str]]]:
    for item in release.objects:
        if item["kind"] in ("Deployment", "Job"):
            yield item["metadata"]["name"], item["spec"]["template"]["metadata"]["labels"]
        if item["kind"] == "Pod":
            yield item["metadata"]["name"], item["metadata"]["labels"]
