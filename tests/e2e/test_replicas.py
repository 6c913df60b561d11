"""Two replicas of a service behind Envoy: one stops or dies under load and no call fails."""

import asyncio
import os
import signal
from collections import Counter

import httpx
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.testing import StartStack
from devstack.waiting import until

POINTS = "/v1/regions/64.01/points"
OFFICE = {"displayName": "Kantor", "kind": "OPD", "district": "regions/64.01/districts/64.01.04"}


async def test_a_rolling_restart_under_load_loses_no_call(fresh_stack: StartStack) -> None:
    stack = await fresh_stack(replicas=2)
    answers: Counter[int] = Counter()
    created: list[str] = []
    over = asyncio.Event()
    async with http_caller(stack, timeout_s=30) as client:
        callers = [
            asyncio.create_task(call_until(over, client, answers, created)) for _ in range(8)
        ]
        for name in ("inventory", "inventory-2"):
            await restarted(stack, name)
        over.set()
        await asyncio.gather(*callers)
        listed = await client.get(POINTS, params={"query": "titik uji", "pageSize": 1})
    assert set(answers) == {200}
    assert answers[200] > 100
    assert int(listed.json()["totalSize"]) == len(created)


async def call_until(
    over: asyncio.Event, client: httpx.AsyncClient, answers: Counter[int], created: list[str]
) -> None:
    while not over.is_set():
        written = await client.post(POINTS, json=OFFICE | {"displayName": "Titik uji"})
        read = await client.get(f"{POINTS}/KEC-64.01.01")
        answers.update((written.status_code, read.status_code))
        if written.status_code == 200:
            created.append(written.json()["name"])


async def restarted(stack: Stack, name: str) -> None:
    """Stop a replica as a rolling update does, and wait until the next one serves."""
    child = stack.children[name]
    before = child.pid
    log = (stack.state.logs / f"{name}.log").read_text()
    assert before is not None, f"{name} ended by itself: {log[-3000:]}"
    os.kill(before, signal.SIGTERM)

    async def anew() -> bool:
        return child.pid not in (None, before) and await child.is_ready()

    assert await until(anew, within_s=40)
    await asyncio.wait_for(healthy(stack), 20)


async def healthy(stack: Stack) -> None:
    """Wait until Envoy counts two healthy replicas."""
    admin = f"http://{stack.place.address('envoy-admin')}/clusters?format=json"
    async with httpx.AsyncClient() as client:

        async def both() -> bool:
            clusters = (await client.get(admin)).json()["cluster_statuses"]
            (cluster,) = [one for one in clusters if one["name"] == "inventory"]
            states = [host["health_status"] for host in cluster["host_statuses"]]
            return len(states) == 2 and not any("failed_active_health_check" in s for s in states)

        assert await until(both, within_s=20)


async def test_reads_go_on_when_a_replica_is_killed(fresh_stack: StartStack) -> None:
    stack = await fresh_stack(replicas=2)
    pid = stack.children["inventory"].pid
    assert pid is not None
    async with http_caller(stack, timeout_s=30) as client:
        os.kill(pid, signal.SIGKILL)

        async def answered() -> bool:
            answers = [(await client.get(f"{POINTS}/KEC-64.01.01")).status_code for _ in range(20)]
            return set(answers) == {200}

        assert await until(answered, within_s=10)
