"""Values that are unknown, wrong or do not fit together are refused, in words that help."""

import re
from typing import Any

import pytest

WRONG = [
    ({"replicas": 3}, ["additional properties 'replicas' not allowed"]),
    (
        {"workloads": {"inventory": {"replica": 3}}},
        ["'/workloads/inventory'", "'replica' not allowed"],
    ),
    ({"workloads": {"inventory": {"replicas": "3"}}}, ["got string, want integer"]),
    ({"workloads": {"inventory": {"replicas": 0}}}, ["minimum: got 0, want 1"]),
    (
        {"workloads": {"inventory": {"kind": "servise"}}},
        ["must be one of 'service', 'worker', 'gateway'"],
    ),
    ({"workloads": {"inventory": {"needs": ["databse"]}}}, ["needs/0", "'database'"]),
    (
        {"workloads": {"prober": {"env": {"SMARTCITY_STAMP_PORT": 862}}}},
        ["got number, want string"],
    ),
    ({"workloadDefaults": {"shutdown": {"marginSeconds": 0}}}, ["marginSeconds", "minimum"]),
    ({"workloadDefaults": {"spread": {"zone": "Never"}}}, ["'ScheduleAnyway'", "'DoNotSchedule'"]),
    ({"database": {"password": "s3cret"}}, ["'/database'", "'password' not allowed"]),
    ({"database": {"sslMode": "prefer"}}, ["'disable', 'require', 'verify-full'"]),
    ({"database": {"port": 70000}}, ["'/database/port'", "maximum"]),
    ({"bus": {"replicas": 0}}, ["'/bus/replicas'"]),
    ({"bus": {"seed": {"seed": "SUA"}}}, ["'/bus/seed'", "'seed' not allowed"]),
    ({"image": {"tag": "1.0 beta"}}, ["'/image/tag'", "'1.0 beta'"]),
    ({"image": {"services": {"digest": "sha256:abc"}}}, ["'/image/services/digest'"]),
    ({"telemetry": {"traceRatio": 2}}, ["'/telemetry/traceRatio'", "maximum: got 2, want 1"]),
    ({"telemetry": {"logLevel": "LOUD"}}, ["'DEBUG', 'INFO', 'WARNING', 'ERROR'"]),
    ({"networkPolicy": {"peers": {"databse": {}}}}, ["'databse' not allowed"]),
    ({"networkPolicy": {"probes": {"cidrs": ["10.0.0.0"]}}}, ["'10.0.0.0' does not match"]),
    ({"gatewayApi": {"parents": [{"nam": "edge"}]}}, ["missing property 'name'"]),
    ({"mutualTls": {"issuer": {"kind": "Issuers"}}}, ["'Issuer', 'ClusterIssuer'"]),
]
UNFIT = [
    ({"identity": {"issuer": ""}}, "identity.issuer is empty: .* set it to the https URL"),
    (
        {"identity": {"issuer": "http://auth"}},
        "identity.issuer is http://auth: it must be an https URL",
    ),
    ({"identity": {"issuer": "https://a@auth"}}, "must be an https URL with a host, without user"),
    (
        {"bus": {"url": "tls://me:s3cret@nats:4222"}},
        r"bus.url has tls://\.\.\.@nats:4222: .*bus.seed names",
    ),
    ({"bus": {"url": "nats:4222"}}, "bus.url has nats:4222: give each server as tls://HOST:PORT"),
    ({"telemetry": {"otlpAddress": "http://otel:4317"}}, "telemetry.otlpAddress .* give HOST:PORT"),
    (
        {"database": {"authority": {"existingSecret": ""}}},
        "name the Secret .* or set database.sslMode",
    ),
    ({"ingress": {"enabled": True}}, "ingress.host is empty: set the name that people call"),
    ({"ingress": {"enabled": True, "host": "a.id"}}, "without TLS, .* set edgeTls.issuer.name or"),
    (
        {"ingress": {"enabled": True, "host": "a.id", "grpc": {"host": "a.id"}}},
        "ingress.grpc.host is a.id as ingress.host is: .* such as grpc.a.id",
    ),
    ({"gatewayApi": {"enabled": True}}, r"gatewayApi.parents is empty: name the Gateway"),
    ({"gatewayApi": {"enabled": True}}, r"gatewayApi.hostnames is empty: set the names"),
    (
        {"gatewayApi": {"hostnames": ["a.id"], "grpcHostnames": ["a.id"]}},
        "only one kind of route for a host; give gRPC another one, such as grpc.a.id",
    ),
    (
        {"edgeTls": {"issuer": {"name": "le"}}},
        "no host to certify: set ingress.enabled or gatewayApi",
    ),
    (
        {"edgeTls": {"issuer": {"name": "le"}, "elsewhere": True}},
        "more than one of issuer.name, existingSecret and elsewhere: keep the one",
    ),
    (
        {"mutualTls": {"enabled": True}},
        "nobody signs: set mutualTls.issuer.name .* or .*createAuthority",
    ),
    (
        {"mutualTls": {"enabled": True, "createAuthority": True, "issuer": {"name": "vault"}}},
        r"both issuer.name \(vault\) and createAuthority: keep one",
    ),
    (
        {"workloads": {"gateway": {"enabled": False}}},
        "one workload of kind gateway, and there are 0: enable",
    ),
    (
        {"workloads": {"edge": {"kind": "gateway", "args": ["gateway"]}}},
        r"there are 2 \(edge, gateway\): enable or remove some",
    ),
    ({"workloads": {"towers": {}}}, r"workloads.towers.args is empty: .* such as \[towers\]"),
    ({"workloads": {"Towers_1": {"args": ["t"]}}}, "name must be small letters.*: rename it"),
    (
        {"workloads": {"prober": {"database": {"migrate": ["monitoring", "migrate"]}}}},
        "migrates the database monitoring, which workloads.monitoring migrates already",
    ),
    (
        {
            "workloads": {
                "towers": {"args": ["towers"], "database": {"migrate": ["towers", "migrate"]}}
            }
        },
        "workloads.towers.needs lacks database: add it",
    ),
    (
        {"workloads": {"prober": {"calls": ["budget"]}}},
        "calls has budget, which is no enabled workload",
    ),
    ({"workloads": {"monitoring": {"calls": ["prober"]}}}, "calls has prober, which is a worker"),
    (
        {"workloads": {"inventory": {"env": {"SMARTCITY_DRAIN_S": "99"}}}},
        "sets SMARTCITY_DRAIN_S, which the chart sets from other values: remove it",
    ),
    (
        {"workloads": {"inventory": {"env": {"PGPASSWORD": "s3cret"}}}},
        "env has PGPASSWORD, which no process of ours reads",
    ),
    (
        {"workloads": {"inventory": {"autoscaling": {"enabled": True}, "lag": {"enabled": True}}}},
        "both autoscaling and lag enabled, .*: disable one",
    ),
    (
        {"workloads": {"inventory": {"autoscaling": {"enabled": True, "minReplicas": 9}}}},
        r"autoscaling.minReplicas is 9, above maxReplicas \(6\): lower it",
    ),
    (
        {"workloads": {"monitoring": {"lag": {"enabled": True}}}},
        "lag.consumers is empty: name the stream",
    ),
    (
        {"workloads": {"inventory": {"replicas": 1, "disruption": {"minAvailable": 1}}}},
        r"minAvailable is 1, but there may be no more than 1 pod\(s\): no node could be drained",
    ),
    (
        {"workloadDefaults": {"disruption": {"minAvailable": 2}}},
        r"workloads.prober.disruption.minAvailable is 2, .* lower it, or raise the replicas",
    ),
]


@pytest.mark.parametrize(("values", "said"), WRONG, ids=lambda value: str(value)[:60])
def test_an_unknown_or_wrong_value_is_named(helm: Any, values: Any, said: list[str]) -> None:
    refusal = helm.refusal(**values)
    assert [words for words in said if words not in refusal] == []


@pytest.mark.parametrize(("values", "said"), UNFIT, ids=lambda value: str(value)[:60])
def test_values_that_do_not_fit_are_refused_with_the_fix(helm: Any, values: Any, said: str) -> None:
    refusal = helm.refusal(**values)
    assert "these values do not fit together" in refusal
    sentences = [
        line.removeprefix("  - ") for line in refusal.splitlines() if line.startswith("  - ")
    ]
    assert any(re.search(said, sentence) for sentence in sentences), sentences
    assert "s3cret" not in refusal


def test_all_that_is_wrong_is_said_at_once(helm: Any) -> None:
    refusal = helm.refusal(
        identity={"issuer": ""}, ingress={"enabled": True}, mutualTls={"enabled": True}
    )
    sentences = [line for line in refusal.splitlines() if line.startswith("  - ")]
    assert len(sentences) == 4
