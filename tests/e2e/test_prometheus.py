"""A real Prometheus scrapes the running platform and watches over it with our alerts."""

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from devstack.ports import free_ports
from devstack.stack import Stack
from devstack.waiting import until

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/smartcity/rules"
LISTENERS = ("inventory-metrics", "monitoring-metrics", "gateway-metrics")

pytestmark = pytest.mark.skipif(
    PROMETHEUS is None and "CI" not in os.environ, reason="no Prometheus (Debian: prometheus)"
)


@asynccontextmanager
async def prometheus(stack: Stack, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run Prometheus on the stack's metrics; give a client of its API."""
    (port,) = free_ports(1)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES / "alerts.yaml")],
        "scrape_configs": [
            {
                "job_name": "smartcity",
                "static_configs": [{"targets": [stack.place.address(name) for name in LISTENERS]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    process = await asyncio.create_subprocess_exec(
        str(PROMETHEUS),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=error",
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def asked(client: httpx.AsyncClient, query: str) -> list[Any]:
    try:
        answer = await client.get("/api/v1/query", params={"query": query})
        return list(answer.json()["data"]["result"])
    except (httpx.HTTPError, ValueError):
        return []  # it is still starting


async def test_prometheus_scrapes_every_process_and_no_alert_fires(
    stack: Stack, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    assert (await api.get("/v1/regions/64.01")).status_code == 200
    async with prometheus(stack, tmp_path) as client:

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
