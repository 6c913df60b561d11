"""A real Prometheus scrapes the running platform and watches over it with our alerts."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from devstack.prometheus import PROMTOOL, WHY, WITHOUT, asked, running_prometheus
from devstack.promql import dashboard_queries, metrics_in, rules
from devstack.stack import Stack
from devstack.waiting import until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/smartcity/rules"
DASHBOARDS = ROOT / "charts/smartcity/dashboards"
LISTENERS = ("inventory-metrics", "monitoring-metrics", "prober-metrics", "gateway-metrics")
OTHERS = {
    "kubelet_": "of the volumes on Kubernetes",
    "certmanager_": "of cert-manager, which keeps the edge's certificate on Kubernetes",
    "cnpg_": "of CloudNativePG, which keeps the databases on Kubernetes",
    "barman_cloud_": "of its plugin for backups",
}
"""The metrics of others than our processes, by how their names begin."""
NOT_HERE = {
    "smartcity_certificate_end_timestamp_seconds": "the local processes have no certificate",
    "smartcity_probed_certificate_expiry_seconds": "no point has an HTTP check",
    "smartcity_stream_limit_bytes": "the local streams have no limit",
    "smartcity_bus_limit_bytes": "the same",
    "smartcity_prober_scheduled_checks": "no point is in service: nothing is above 0",
    "smartcity_prober_checks_total": "the same",
    "smartcity_prober_leases": "the same",
}
"""Our metrics that have no value on this stack, or none that a panel shows."""

pytestmark = pytest.mark.skipif(WITHOUT, reason=WHY)


def config(stack: Stack) -> dict[str, Any]:
    """Return a configuration that scrapes every process of the stack."""
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES / "alerts.yaml")],
        "scrape_configs": [
            {
                "job_name": "smartcity",
                "static_configs": [{"targets": [stack.place.address(name) for name in LISTENERS]}],
            }
        ],
    }


async def test_prometheus_scrapes_every_process_and_no_alert_fires(
    stack: Stack, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert (await api.get("/v1/regions/64.01")).status_code == 200
    async with running_prometheus(config(stack), tmp_path) as client:

        async def all_are_up() -> bool:
            up = await asked(client, 'up{job="smartcity"} == 1')
            calls = await asked(client, 'grpc_server_handled_total{method="GetRegion", code="OK"}')
            return len(up) == len(LISTENERS) and bool(calls)

        assert await until(all_are_up, within_s=30)

        async def missing() -> list[str]:
            wanted = {name: f'{{__name__=~"{name}(_bucket)?"}}' for name in metric_names()}
            return [name for name, query in wanted.items() if not await asked(client, query)]

        async def none_is_missing() -> bool:
            return not await missing()

        assert await until(none_is_missing, within_s=40), await missing()
        groups = (await client.get("/api/v1/rules")).json()["data"]["groups"]
        health = {rule["health"] for group in groups for rule in group["rules"]}
        assert health <= {"ok", "unknown"}
        assert await asked(client, 'ALERTS{alertstate="firing"}') == []


def metric_names() -> list[str]:
    """Return those metrics of docs/operations.md that show before there is a consumer."""
    table = (ROOT / "docs/operations.md").read_text()
    named = re.findall(r"`((?:grpc_server|smartcity)_[a-z_]+)\{?([a-z,]*)", table)
    return [name for name, labels in named if "consumer" not in labels and name not in NOT_HERE]


async def test_every_query_of_the_dashboards_runs_and_has_an_answer(
    stack: Stack, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert (await api.get("/v1/regions/64.01/points/none")).status_code == 404
    queries = dashboard_queries(DASHBOARDS, "15s")
    here = [query for query in queries if not any(map(is_elsewhere, metrics_in(query)))]
    assert len(here) > len(queries) * 0.7
    async with running_prometheus(config(stack), tmp_path) as client:

        async def without_answer() -> list[str]:
            return [query for query in here if not await asked(client, query)]

        async def all_have_one() -> bool:
            return not await without_answer()

        assert await until(all_have_one, within_s=60), await without_answer()
        for query in queries:
            answer = (await client.get("/api/v1/query", params={"query": query})).json()
            assert answer["status"] == "success", (query, answer)


def is_elsewhere(metric: str) -> bool:
    """Tell whether a metric may have no value on this stack."""
    return metric in NOT_HERE or metric.startswith(tuple(OTHERS))


async def test_dashboards_and_alerts_name_only_metrics_that_somebody_exports(
    stack: Stack, tmp_path: Path
) -> None:
    every = rules(RULES / "alerts.yaml")
    wanted = {"up"}.union(*(metrics_in(rule["expr"]) for rule in every))
    wanted |= {name for query in dashboard_queries(DASHBOARDS) for name in metrics_in(query)}
    recorded = {rule["record"] for rule in every if "record" in rule}
    elsewhere = {"up"}  # Prometheus' own
    ours = {name for name in wanted - recorded - elsewhere if not name.startswith(tuple(OTHERS))}
    async with running_prometheus(config(stack), tmp_path) as client:

        async def unknown() -> set[str]:
            told = set((await client.get("/api/v1/metadata")).json()["data"])
            return {name for name in ours if not {name, PART.sub("", name)} & told}

        async def all_are_known() -> bool:
            up = await asked(client, 'up{job="smartcity"} == 1')
            return len(up) == len(LISTENERS) and not await unknown()

        assert await until(all_are_known, within_s=30), await unknown()


PART = re.compile(r"_(bucket|count|sum|total)$")


@pytest.mark.parametrize("listener", LISTENERS)
async def test_the_metrics_follow_prometheus_own_rules(stack: Stack, listener: str) -> None:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{stack.place.address(listener)}/metrics")).text
    ours = [line for line in text.splitlines(keepends=True) if "envoy_" not in line]
    code, said = await promtool("check", "metrics", given="".join(ours).encode())
    assert code == 0, said


@pytest.mark.parametrize("test", sorted(path.name for path in RULES.glob("*_test.yaml")))
async def test_every_alert_fires_above_its_threshold_and_not_below(test: str) -> None:
    code, said = await promtool("test", "rules", str(RULES / test))
    assert code == 0, said


async def test_every_alert_is_right_and_has_a_test_of_both() -> None:
    code, said = await promtool("check", "rules", str(RULES / "alerts.yaml"))
    assert code == 0, said
    alerts = {rule["alert"] for rule in rules(RULES / "alerts.yaml") if "alert" in rule}
    cases = [
        case
        for path in RULES.glob("*_test.yaml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test.get("alert_rule_test", [])
    ]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


async def promtool(*words: str, given: bytes = b"") -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(PROMTOOL), *words, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate(given)
    return process.returncode or 0, said.decode()
