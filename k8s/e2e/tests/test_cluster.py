"""What the platform must survive: upgrades, dead pods, drained nodes, a lost database."""

import asyncio
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from devstack.waiting import until
from kubectl import kubectl, read

HELM = shutil.which("helm") or "helm"
K8S = Path(__file__).parents[2]
NAMESPACE = "smartcity"
CLUSTERS = "cluster.postgresql.cnpg.io"
ENVIRONMENT = os.environ.get("SMARTCITY_E2E_ENVIRONMENT", "laptop")
POINTS = "/v1/regions/64.01/points"
OFFICE = {"displayName": "Titik uji", "kind": "OPD", "district": "regions/64.01/districts/64.01.04"}
OURS = ("inventory", "monitoring", "gateway")
WITHIN_S = 600
# By the clock that commits are stamped with; a moment to restore to has whole seconds.
NEXT_SECOND = """
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC' + interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
"""


@asynccontextmanager
async def load(api: httpx.AsyncClient) -> AsyncIterator[Counter[int]]:
    """Write and read all the while; what was answered is counted."""
    answers: Counter[int] = Counter()
    over = asyncio.Event()

    async def call() -> None:
        while not over.is_set():
            written = await api.post(POINTS, json=OFFICE)
            read_back = (
                await api.get(f"/v1/{written.json()['name']}") if written.is_success else written
            )
            answers.update((written.status_code, read_back.status_code))

    callers = [asyncio.create_task(call()) for _ in range(4)]
    try:
        yield answers
    finally:
        over.set()
        await asyncio.gather(*callers)


async def test_an_upgrade_under_load_loses_no_call(api: httpx.AsyncClient) -> None:
    async with load(api) as answers:
        for name in OURS:
            await asyncio.to_thread(rolled, name)
    assert set(answers) == {200}
    assert answers[200] > 50


def rolled(name: str) -> None:
    """Replace every pod of a deployment, as an upgrade does."""
    deployment = f"deployment/{deployed(name)}"
    kubectl("-n", NAMESPACE, "rollout", "restart", deployment)
    kubectl("-n", NAMESPACE, "rollout", "status", deployment, f"--timeout={WITHIN_S}s")


def deployed(name: str) -> str:
    found = read(NAMESPACE, "deployment", "-l", f"app.kubernetes.io/component={name}")["items"]
    (one,) = found
    return str(one["metadata"]["name"])


async def test_what_was_written_survives_dead_pods(api: httpx.AsyncClient) -> None:
    written = (await api.post(POINTS, json=OFFICE)).raise_for_status().json()["name"]
    for labels in ("app.kubernetes.io/name=nats", "cnpg.io/cluster=postgres,role=primary"):
        kubectl("-n", NAMESPACE, "delete", "pod", "-l", labels, "--grace-period=0", "--force")
    assert await answers_again(api, f"/v1/{written}") == written
    kubectl(
        "-n",
        NAMESPACE,
        "wait",
        "--for=condition=Ready",
        f"{CLUSTERS}/postgres",
        f"--timeout={WITHIN_S}s",
    )


async def answers_again(api: httpx.AsyncClient, path: str) -> object:
    """Ask until the answer is good; return the resource's name."""
    names: list[object] = []

    async def answered() -> bool:
        with suppress(httpx.TransportError):
            answer = await api.get(path)
            if answer.is_success:
                names.append(answer.json()["name"])
        return bool(names)

    assert await until(answered, WITHIN_S), f"{path} was not answered within {WITHIN_S} s"
    return names[0]


async def test_draining_each_node_in_turn_loses_no_call(api: httpx.AsyncClient) -> None:
    nodes = [
        node["metadata"]["name"]
        for node in read(NAMESPACE, "nodes", "-l", "!node-role.kubernetes.io/control-plane")[
            "items"
        ]
    ]
    assert len(nodes) > 1
    async with load(api) as answers:
        for node in nodes:
            await asyncio.to_thread(drained, node)
    assert set(answers) <= {200, 503}
    # The database's primary moves once or twice: those calls say UNAVAILABLE, and only those.
    assert answers[503] < answers[200] * 0.05


def drained(node: str) -> None:
    """Drain a node, let it back in, and wait until the databases are whole again."""
    try:
        kubectl(
            "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={WITHIN_S}s"
        )
    finally:
        kubectl("uncordon", node)
    for one in (f"{CLUSTERS}/postgres", "pod/nats-0", "pod/nats-1", "pod/nats-2"):
        kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", one, f"--timeout={WITHIN_S}s")


@pytest.fixture
def restored() -> Iterator[str]:
    """Give the name for a restored cluster; it is deleted afterwards."""
    yield "postgres-restored"
    subprocess.run([HELM, "-n", NAMESPACE, "uninstall", "postgres-restored"], check=False)
    kubectl("-n", NAMESPACE, "delete", "--ignore-not-found", f"{CLUSTERS}/postgres-restored")


async def test_a_backup_brings_back_what_was_there_at_a_moment(
    api: httpx.AsyncClient, restored: str
) -> None:
    before = (await api.post(POINTS, json=OFFICE)).raise_for_status().json()["name"]
    await ran(K8S / "backup.sh", ENVIRONMENT)
    moment = await moment_of_the_database()
    after = (await api.post(POINTS, json=OFFICE)).raise_for_status().json()["name"]
    await ran(K8S / "restore.sh", ENVIRONMENT, restored, moment)
    points = await asyncio.to_thread(points_of, restored)
    assert id_of(before) in points
    assert id_of(after) not in points


async def ran(*words: str | Path) -> None:
    """Run a script of the operator's to its end."""
    await asyncio.to_thread(subprocess.run, words, check=True)


async def moment_of_the_database() -> str:
    """Return a moment that is after all that was committed and before all that will be."""
    moment = await asyncio.to_thread(told, "postgres", NEXT_SECOND)

    async def is_past() -> bool:
        is_later = f"SELECT clock_timestamp() > '{moment}'"
        return await asyncio.to_thread(told, "postgres", is_later) == "t"

    assert await until(is_past, WITHIN_S)
    return moment


def points_of(cluster: str) -> list[str]:
    """Return the ids of the points in a cluster's inventory."""
    return told(cluster, "SELECT point_id FROM points").split()


def told(cluster: str, sql: str) -> str:
    """Return what the primary of a cluster answers about its inventory."""
    primary = read(NAMESPACE, f"{CLUSTERS}/{cluster}")["status"]["currentPrimary"]
    psql = ("exec", primary, "-c", "postgres", "--", "psql", "-qAtX", "inventory")
    return kubectl("-n", NAMESPACE, *psql, "-c", sql).strip()


def id_of(name: str) -> str:
    return name.rpartition("/")[2]
