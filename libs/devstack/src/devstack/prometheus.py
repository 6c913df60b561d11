"""The machine's own Prometheus and prober, for the tests that show them work with the platform."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from devstack.ports import free_ports

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
WITHOUT = PROMETHEUS is None and "CI" not in os.environ
"""Whether tests that need it are skipped; never where everything must run."""
WHY = "no Prometheus (Debian: prometheus)"
SMOKEPING = shutil.which("prometheus-smokeping-prober")
WITHOUT_SMOKEPING = WITHOUT or (SMOKEPING is None and "CI" not in os.environ)
WHY_NO_SMOKEPING = "no Prometheus or none of its probers (Debian: prometheus-smokeping-prober)"


@asynccontextmanager
async def running_prometheus(
    config: Mapping[str, Any], folder: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Run Prometheus with a configuration; give a client of its API."""
    (port,) = free_ports(1)
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


@asynccontextmanager
async def running_smokeping(host: str, folder: Path) -> AsyncIterator[str]:
    """Run smokeping_prober, which pings an address five times a second; give its own address."""
    (port,) = free_ports(1)
    protocol = "icmp" if os.geteuid() == 0 else "udp"  # how it calls ICMP without privileges
    targets = [{"hosts": [host], "interval": "200ms", "network": "ip4", "protocol": protocol}]
    (folder / "smokeping.yml").write_text(json.dumps({"targets": targets}))
    process = await asyncio.create_subprocess_exec(
        str(SMOKEPING),
        f"--config.file={folder / 'smokeping.yml'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--privileged" if protocol == "icmp" else "--no-privileged",
        "--log.level=error",
    )
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def asked(client: httpx.AsyncClient, query: str) -> list[Any]:
    """Return what a query finds; nothing while Prometheus still starts."""
    try:
        answer = await client.get("/api/v1/query", params={"query": query})
        return list(answer.json()["data"]["result"])
    except (httpx.HTTPError, ValueError):
        return []
