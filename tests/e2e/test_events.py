"""Every acknowledged change is told exactly once, whatever is killed in between."""

import asyncio
import os
import signal
from collections import Counter

import httpx
import nats
import pytest
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.testing import StartStack
from devstack.waiting import until
from nats.js.api import ConsumerConfig, DeliverPolicy
from prometheus_client.parser import text_string_to_metric_families

POINTS = "/v1/regions/64.01/points"
DRAFT = {
    "displayName": "Titik",
    "kind": "OPD",
    "district": "regions/64.01/districts/64.01.04",
    "contact": {"displayName": "Budi Santoso", "phone": "081254321987"},
}


async def told(stack: Stack) -> Counter[str]:
    """Return how many times each point was told to be created."""
    found: Counter[str] = Counter()
    client = await nats.connect(stack.nats.url)
    try:
        follow = await client.jetstream().subscribe(
            "smartcity.6401.inventory.point.created.v1",
            ordered_consumer=True,
            config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL),
        )
        while True:
            try:
                message = await follow.next_msg(1)
            except TimeoutError:
                return found
            assert b"Santoso" not in message.data
            assert b"081254321987" not in message.data
            found[(message.headers or {})["ce-subject"]] += 1
    finally:
        await client.close()


async def acknowledged(client: httpx.AsyncClient, number: int) -> str:
    """Create a point, again and again until it is answered, and return its name."""
    while True:
        try:
            answer = await client.post(
                POINTS, params={"pointId": f"EV-{number}", "requestId": f"ev-{number}"}, json=DRAFT
            )
        except httpx.TransportError:
            continue
        if answer.status_code == 200:
            return str(answer.json()["name"])
        assert answer.status_code == 503, answer.text
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "victims", [("inventory",), ("nats",), ("postgres",), ("nats", "inventory")]
)
async def test_every_acknowledged_point_is_told_once_whatever_is_killed(
    victims: tuple[str, ...], fresh_stack: StartStack
) -> None:
    stack = await fresh_stack(data_folder=None)
    await stack_has_a_region(stack)
    async with http_caller(stack, timeout_s=30) as client:
        first = [await acknowledged(client, n) for n in range(20)]
        writing = [asyncio.create_task(acknowledged(client, n)) for n in range(20, 60)]
        for victim in victims:
            pid = stack.children[victim].pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        names = [*first, *(await asyncio.gather(*writing))]

    async def all_told() -> bool:
        return set(await told(stack)) >= set(names)

    assert await until(all_told, within_s=40)
    assert await told(stack) == Counter(names)


async def stack_has_a_region(stack: Stack) -> None:
    async with stack.postgres.connect("inventory") as connection:
        await connection.execute(
            "INSERT INTO regions (region_code, display_name) VALUES ('64.01', 'Paser');"
            "INSERT INTO districts (district_code, region_code, display_name)"
            " VALUES ('64.01.04', '64.01', 'Tanah Grogot')"
        )


async def test_the_metrics_tell_the_outbox_and_what_was_published(stack: Stack) -> None:
    async with httpx.AsyncClient() as client:
        url = f"http://{stack.place.address('inventory-metrics')}/metrics"

        async def told_so() -> bool:
            text = (await client.get(url)).text
            samples = {
                sample.name: sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name.startswith("smartcity_")
            }
            return (
                samples.get("smartcity_outbox_pending") == 0
                and samples.get("smartcity_events_published_total", 0) >= 251
            )

        assert await until(told_so, within_s=20)
