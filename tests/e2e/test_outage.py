"""From a line that breaks to the state that the command centre sees, and back."""

import httpx
import pytest
from devstack.callers import http_caller
from devstack.stack import Stack
from devstack.testing import Outsiders, StartStack
from devstack.waiting import until

SEEN_WITHIN_S = 120.0
"""Three silent checks make it DOWN; the machine may be busy."""


@pytest.mark.timeout(500)
async def test_an_outage_on_purpose_is_seen_as_down_and_its_end_as_up(
    fresh_stack: StartStack, outside: Outsiders
) -> None:
    stack = await fresh_stack(network="on")
    async with http_caller(stack, "64.01/viewer") as client:
        point = await one_that_is_up(client)
        await outage(outside, stack, "--point", point)
        assert await becomes(client, point, "DOWN")
        await outage(outside, stack, "end", "--point", point)
        assert await becomes(client, point, "UP")


async def outage(outside: Outsiders, stack: Stack, *words: str) -> None:
    run = await outside("-m", "devstack", "outage", *words, state_folder=stack.state.path)
    assert await run.end() == 0, run.text


async def one_that_is_up(client: httpx.AsyncClient) -> str:
    """Return the name of a point whose line works, once the prober knows of one."""
    found: list[str] = []

    async def there_is_one() -> bool:
        answer = await client.get("/v1/regions/64.01/statuses?state=UP&pageSize=1")
        found[:] = [one["point"] for one in answer.raise_for_status().json()["statuses"]]
        return bool(found)

    assert await until(there_is_one, SEEN_WITHIN_S)
    return found[0]


async def becomes(client: httpx.AsyncClient, point: str, state: str) -> bool:
    async def is_so() -> bool:
        answer = await client.get(f"/v1/{point}/status")
        return bool(answer.raise_for_status().json()["state"] == state)

    return await until(is_so, SEEN_WITHIN_S)
