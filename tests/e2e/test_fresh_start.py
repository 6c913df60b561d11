"""What a newcomer sees on a fresh start, and still sees after the second."""

import os
import signal
import subprocess
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from devstack.outside import Outside
from devstack.ports import free_ports
from devstack.testing import open_folder

ROOT = Path(__file__).parents[2]
EXPECTED = {
    "/v1/regions": ("regions", 10),
    "/v1/regions/64.01/districts": ("districts", 10),
    "/v1/regions/64.01/villages?pageSize=1000": ("villages", 144),
    "/v1/regions/64.01/villages?district=regions/64.01/districts/64.01.06": ("villages", 26),
    "/v1/regions/64.01/points?pageSize=1000": ("points", 251),
    "/v1/regions/64.01/points?pageSize=1000&tag=demo": ("points", 251),
    "/v1/regions/64.01/points?kind=SCHOOL&pageSize=1000": ("points", 78),
    "/v1/regions/64.01/points?kind=HEALTH_CENTRE": ("points", 19),
    "/v1/regions/64.01/points?kind=DISTRICT_OFFICE": ("points", 10),
    "/v1/regions/64.01/points?kind=VILLAGE_OFFICE&pageSize=1000": ("points", 144),
}


@pytest.fixture
def state(servers_folder: Path) -> Iterator[Path]:
    folder = open_folder("newcomer-", servers_folder)
    yield folder
    assert subprocess.run(make("clean", folder), check=False).returncode == 0


def make(target: str, state: Path, *more: str) -> list[str]:
    return ["make", "-C", str(ROOT), "--no-print-directory", target, f"DATA={state}", *more]


async def make_run(state: Path) -> Outside:
    command = make("run", state, f"PORT={free_ports(1)[0]}", "QUIET=1")
    return Outside(
        await create_subprocess_exec(
            *command, stdout=PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    )


async def ctrl_c(run: Outside) -> None:
    """Send what a terminal sends: SIGINT to the whole foreground group."""
    below = psutil.Process(run.process.pid).children(recursive=True)
    os.killpg(run.process.pid, signal.SIGINT)
    await run.end()
    gone, alive = psutil.wait_procs(below, timeout=15)
    assert [process.name() for process in alive] == []
    assert len(gone) > 5


def caller(url: str, state: Path, role: str, region: str) -> httpx.AsyncClient:
    """Return a client with the token that the README's command prints."""
    command = make("token", state, f"ROLE={role}", f"REGION={region}")
    token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=url, timeout=30, headers=headers)


async def listed(url: str, state: Path) -> dict[str, tuple[int, int]]:
    found = {}
    async with caller(url, state, "viewer", "64.01") as client:
        for path, (collection, _) in EXPECTED.items():
            answer = (await client.get(path)).json()
            found[path] = (len(answer[collection]), answer["totalSize"])
    return found


async def test_make_run_starts_everything_with_the_data_and_keeps_it(state: Path) -> None:
    run = await make_run(state)
    url = (await run.line("ready: http://127.0.0.1:")).removeprefix("ready: ")
    assert await listed(url, state) == {path: (n, n) for path, (_, n) in EXPECTED.items()}
    body = {"displayName": "Titik", "kind": "OPD", "district": "regions/64.01/districts/64.01.04"}
    async with caller(url, state, "operator", "64.01") as client:
        created = await client.post("/v1/regions/64.01/points?pointId=KEPT-1", json=body)
        assert created.status_code == 200
        renamed = await client.patch(
            "/v1/regions/64.01/points/KEC-64.01.01", json={"displayName": "Kantor Camat"}
        )
        assert renamed.status_code == 200
    await ctrl_c(run)

    run = await make_run(state)
    url = (await run.line("ready: http://127.0.0.1:")).removeprefix("ready: ")
    async with caller(url, state, "operator", "64.01") as client:
        assert (await client.get("/v1/regions/64.01/points/KEPT-1")).json() == created.json()
        kept = (await client.get("/v1/regions/64.01/points/KEC-64.01.01")).json()
        assert kept["displayName"] == "Kantor Camat"
        loading = await create_subprocess_exec(
            *make("load", state, "REGION=64.09", "FROM=data/ppu"), stdout=PIPE
        )
        assert b"38 created" in (await loading.communicate())[0]
        denied = await client.get("/v1/regions/64.09/points")
        assert denied.status_code == 403
    async with caller(url, state, "viewer", "64.09") as client:
        neighbours: Any = (await client.get("/v1/regions/64.09/points")).json()
        assert neighbours["totalSize"] == 38
    await ctrl_c(run)
