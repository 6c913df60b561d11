"""The operator's tool, as a process: tail an event, find a dead letter, send it again."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from typing import Any

import pytest
from common.events.event import Event
from devstack.waiting import until
from nats.js.errors import NotFoundError

NAME = "regions/64.01/points/P-0"
AGAIN = "read again by counting; each skips what it has"


async def tool(town: Any, *words: str, **settings: str) -> tuple[int, str]:
    """Run the tool to its end; return its exit code and all that it said."""
    told = {"SMARTCITY_NATS_URL": town.nats.url, "SMARTCITY_DATABASE_URL": town.database_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "common.events", *words),
        env=os.environ | told | {"COLUMNS": "200"} | settings,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, (out + err).decode()


async def test_events_are_shown_by_region_type_and_resource(town: Any) -> None:
    await town.work("relay")
    await town.write(town.events_about(2, 2))
    ever = ("tail", "--since", "2020-01-01", "--count", "2")
    code, said = await tool(town, *ever, "--resource", "*/P-1", "--region", "64.01")
    assert code == 0
    assert [line.split()[1:] for line in said.splitlines()] == [
        ["smartcity.inventory.point.updated.v1", "regions/64.01/points/P-1", f"#{n}"]
        for n in (1, 2)
    ]
    _, said = await tool(town, *ever[:-1], "1", "--json", "--type", "*.point.*")
    assert json.loads(said)["body"] == {}


async def test_the_lag_of_the_outbox_and_of_consumers_is_shown(town: Any) -> None:
    await town.write(town.events_about(7, 1))
    code, said = await tool(town, "lag")
    assert code == 0
    (line,) = [line for line in said.splitlines() if "outbox" in line]
    assert line.split("│")[2].strip() == "7"


async def test_the_lag_of_every_named_outbox_is_shown(town: Any) -> None:
    await town.write(town.events_about(7, 1))
    named = json.dumps({"inventory": town.database_url, "monitoring": town.database_url})
    _, said = await tool(town, "lag", SMARTCITY_OUTBOXES=named, SMARTCITY_DATABASE_URL="")
    rows = [line.split("│")[1:3] for line in said.splitlines() if "outbox" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["outbox of inventory", "7"],
        ["outbox of monitoring", "7"],
    ]


async def test_a_dead_letter_is_found_looked_at_and_sent_again(town: Any) -> None:
    (event,) = town.events_about(1, 1)
    poison = Event(event.event_id, event.type, event.resource, event.time, b"poison")
    await town.write([poison])
    await town.work("relay")
    consumer = await town.work("consume")

    async def dead() -> bool:
        return NAME in (await tool(town, "dead", "list"))[1]

    assert await until(dead, within_s=30)
    _, shown = await tool(town, "dead", "show", "1")
    assert json.loads(shown)["error"] == "ValueError: cannot be swallowed"
    assert json.loads(shown)["body"] == b"poison".hex()
    consumer.kill()
    await consumer.wait()
    code, said = await tool(town, "dead", "replay", "1")
    assert (code, said.strip()) == (0, "1 sent again")
    assert (await tool(town, "dead", "list"))[1].strip() == "no dead letters"
    assert (await tool(town, "dead", "show", "1"))[0] == 1


async def test_a_span_of_time_is_sent_again_and_has_no_second_effect(town: Any) -> None:
    await town.work("relay")
    await town.work("consume")
    await town.write(town.events_about(3, 3))
    assert await town.comes_to(town.effects_of(3, 3))
    words = ("replay", "--consumer", "counting", "--since", "2020-01-01")
    _, said = await tool(town, *words, "--dry-run")
    assert said.strip().startswith("9 events would be sent to counting")
    _, said = await tool(town, *words)
    assert said.strip().startswith("9 events sent to counting")

    async def taken() -> bool:
        info = await town.bus.jetstream.consumer_info("REPLAYS", "counting-replays")
        return (info.num_pending, info.num_ack_pending, info.delivered.consumer_seq) == (0, 0, 9)

    assert await until(taken, within_s=20)
    assert await town.effects() == town.effects_of(3, 3)


async def test_a_consumer_that_is_rewound_reads_all_again_and_has_no_second_effect(
    town: Any,
) -> None:
    await town.work("relay")
    await town.work("consume")
    await town.write(town.events_about(3, 3))
    assert await town.comes_to(town.effects_of(3, 3))
    before = await made(town)
    words = ("rewind", "--stream", "INVENTORY", "--consumer", "count*")
    code, said = await tool(town, *words, "--dry-run")
    assert (code, said.strip()) == (0, f"9 messages of INVENTORY would be {AGAIN}")
    assert await made(town) == before
    code, said = await tool(town, *words)
    assert (code, said.strip()) == (0, f"9 messages of INVENTORY are {AGAIN}")

    async def read_again() -> bool:
        with suppress(NotFoundError):
            info = await town.bus.jetstream.consumer_info("INVENTORY", "counting")
            return info.created != before and (info.num_pending, info.num_ack_pending) == (0, 0)
        return False

    assert await until(read_again, within_s=30)
    assert await town.effects() == town.effects_of(3, 3)
    code, said = await tool(town, "rewind", "--stream", "INVENTORY", "--consumer", "none")
    assert (code, said.strip()) == (1, "there is no consumer 'none'; `lag` lists all")


async def made(town: Any) -> Any:
    return (await town.bus.jetstream.consumer_info("INVENTORY", "counting")).created


async def test_an_empty_bus_is_no_error(town: Any) -> None:
    for words in (("dead", "list"), ("dead", "replay", "--all"), ("lag",)):
        assert (await tool(town, *words))[0] == 0, words
    await town.bus.jetstream.delete_stream("DEAD")
    code, said = await tool(town, "dead", "list")
    assert (code, said.strip()) == (1, "the bus has no such stream; `apply` makes them")


@pytest.mark.parametrize("name", ["no-such", "*", ">", "a b", "a.b"])
async def test_nothing_is_sent_to_a_consumer_that_is_not_there(town: Any, name: str) -> None:
    await town.work("relay")
    await town.write(town.events_about(1, 1))
    code, said = await tool(town, "replay", "--consumer", name, "--since", "2020-01-01")
    assert code == 1
    assert "there is no consumer" in said
    info = await town.bus.jetstream.stream_info("REPLAYS")
    assert info.state.messages == 0


@pytest.mark.parametrize("words", [("dead", "show", "99"), ("dead", "discard", "99")])
async def test_a_number_that_is_not_there_is_told(town: Any, words: tuple[str, ...]) -> None:
    code, said = await tool(town, *words)
    assert code == 1
    assert "there is no dead letter 99" in said
