"""A real Prometheus scrapes the running platform and watches over it with our alerts."""

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from devstack.prometheus import WHY, WITHOUT, asked, running_prometheus
from devstack.stack import Stack
from devstack.waiting import until

PROMTOOL = shutil.which("promtool")
ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/smartcity/rules"
LISTENERS = ("inventory-metrics", "monitoring-metrics", "gateway-metrics")

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
        for name in metric_names():
            assert await asked(client, f'{{__name__=~"{name}(_bucket)?"}}'), name
        rules = (await client.get("/api/v1/rules")).json()["data"]["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
        assert await asked(client, 'ALERTS{alertstate="firing"}') == []


def metric_names() -> list[str]:
    """Return those metrics of docs/operations.md that show before there is a consumer."""
    table = (ROOT / "docs/operations.md").read_text()
    named = re.findall(r"`((?:grpc_server|smartcity)_[a-z_]+)\{?([a-z,]*)", table)
    return [name for name, labels in named if "consumer" not in labels]


@pytest.mark.parametrize("listener", LISTENERS)
async def test_the_metrics_follow_prometheus_own_rules(stack: Stack, listener: str) -> None:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://{stack.place.address(listener)}/metrics")).content
    code, said = await promtool("check", "metrics", given=text)
    assert code == 0, said


async def test_every_alert_fires_once_and_quiet_figures_fire_none() -> None:
    code, said = await promtool("check", "rules", str(RULES / "alerts.yaml"))
    assert code == 0, said
    code, said = await promtool("test", "rules", str(RULES / "alerts_test.yaml"))
    assert code == 0, said
    alerts = set(re.findall(r"alert: (\w+)", (RULES / "alerts.yaml").read_text()))
    fired = set(re.findall(r"alertname: (\w+)", (RULES / "alerts_test.yaml").read_text()))
    assert alerts == fired


async def promtool(*words: str, given: bytes = b"") -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(PROMTOOL), *words, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate(given)
    return process.returncode or 0, said.decode()
