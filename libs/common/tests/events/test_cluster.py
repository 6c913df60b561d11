"""The bus as three servers: streams become replicated, and one server may be lost."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from typing import Any

from devstack.waiting import until

STREAMS = ("INVENTORY", "MONITORING", "TELEMETRY", "REPLAYS", "DEAD")
DEADLINE_S = 60


async def apply(town: Any, replicas: int) -> str:
    told = {"SMARTCITY_NATS_URL": town.nats.url, "SMARTCITY_NATS_REPLICAS": str(replicas)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "common.events", "apply"),
        env=os.environ | told,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err
    return out.decode()


async def info(town: Any, stream: str) -> Any:
    return await town.bus.jetstream.stream_info(stream)


async def kept_by_three(town: Any) -> bool:
    """Tell whether all streams and consumers have a leader and two others that know as much."""
    streams = [await info(town, name) for name in STREAMS]
    consumers = await town.bus.jetstream.consumers_info("INVENTORY")
    return all(one.config.num_replicas == 3 for one in streams) and all(
        len(one.cluster.replicas or []) == 2 and all(peer.current for peer in one.cluster.replicas)
        for one in (*streams, *consumers)
    )


async def test_streams_of_one_server_become_replicated_and_one_server_may_be_lost(
    cluster_town: Any,
) -> None:
    town = cluster_town
    await town.work("relay")
    await town.work("consume")
    await town.write(town.events_about(5, 4))
    assert await town.comes_to(town.effects_of(5, 4))
    assert (await info(town, "INVENTORY")).config.num_replicas == 1

    assert "INVENTORY" in await apply(town, 3)

    async def so() -> bool:
        return await kept_by_three(town)

    assert await until(so, DEADLINE_S)
    assert await town.stored() == 20  # what was there has stayed
    leader = (await info(town, "INVENTORY")).cluster.leader
    lost = town.nats.named(leader)
    pid = lost.child.pid
    os.kill(pid, signal.SIGSTOP)  # silent, as a lost machine is; killed, it would be started again
    try:
        await town.write(town.events_about(5, 9)[20:])
        assert await town.comes_to(town.effects_of(5, 9), within_s=DEADLINE_S)
    finally:
        os.kill(pid, signal.SIGCONT)
