"""The simulated network of a whole stack: its lines in the inventory, and `make outage`."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
from devstack.callers import http_caller
from devstack.network.addresses import OWN
from devstack.network.sites import laid_mark, read_sites
from devstack.probes import reflects
from devstack.settings import StackSettings
from devstack.stack import Stack
from devstack.testing import Outsiders, StartStack
from devstack.waiting import until

POINTS = 251
TWO_STARTS_S = 500
"""Much more than it takes, for a busy machine."""
ALL = "regions/64.01/points/-/circuits?pageSize=1000"


async def circuits(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the circuits of the region by their points' names."""
    async with http_caller(stack) as client:
        found = (await client.get(f"/v1/{ALL}")).raise_for_status().json()["circuits"]
    return {one["name"].rpartition("/circuits/")[0]: one for one in found}


async def points(stack: Stack) -> dict[str, dict[str, Any]]:
    async with http_caller(stack) as client:
        path = "/v1/regions/64.01/points?pageSize=1000"
        found = (await client.get(path)).raise_for_status().json()["points"]
    return {one["name"]: one for one in found}


async def is_laid(stack: Stack) -> bool:
    """Tell whether the demonstration's lines have been laid."""
    laid = laid_mark(stack.state.of("network"), "64.01")

    async def done() -> bool:
        return laid.exists()

    return await until(done, within_s=120)


def line_port(stack: Stack) -> int:
    return stack.place.port("network")


async def answering(stack: Stack, count: int) -> list[tuple[str, str]]:
    """Return points, and their addresses, that answer just now."""
    found = []
    for site in read_sites(stack.state.of("network")):
        if await reflects(site.address, line_port(stack))():
            found.append((site.point, site.address))
        if len(found) == count:
            break
    return found


async def answers(stack: Stack, address: str) -> bool:
    return await until(reflects(address, line_port(stack)), within_s=20)


async def command(outside: Outsiders, stack: Stack, *words: str) -> tuple[int, str]:
    """Run `make outage` for the stack; return its exit code and its text."""
    run = await outside("-m", "devstack", "outage", *words, state_folder=stack.state.path)
    return await run.end(), run.text


@pytest.mark.timeout(TWO_STARTS_S)
async def test_demonstration_points_get_marked_lines_and_outages_hit_one_stack_alone(
    fresh_stack: StartStack, outside: Outsiders
) -> None:
    one = await fresh_stack(network="on")
    other = await fresh_stack(network="on")
    assert line_port(one) != line_port(other)
    assert await is_laid(one)
    assert await is_laid(other)

    laid, placed = await circuits(one), await points(one)
    assert len(laid) == len(placed) == POINTS
    assert {line["serviceId"].split("-")[0] for line in laid.values()} == {"SIMULATED"}
    assert len(addresses(laid)) == POINTS
    assert addresses(laid) == addresses(await circuits(other))
    for name, placed_point in placed.items():
        assert placed_point["state"] == "ACTIVE"
        assert "simulated" in placed_point["tags"]
        assert placed_point["provenance"] == "DERIVED"
        assert placed_point["technology"] == laid[name]["technology"]

    ((point, address),) = await answering(one, 1)
    code, text = await command(outside, one, "--point", point, "--minutes", "5")
    assert code == 0
    assert text.startswith(f"down: {point} (")
    assert "statuses:watch" in text
    assert await becomes_silent(one, address)
    assert await answers(other, address)
    assert (await command(outside, one, "list"))[1].startswith(f"{point} (")
    assert (await command(outside, other, "list"))[1] == "no outage is ordered\n"
    code, text = await command(outside, one, "--point", "DES-64.01.06.2099")
    assert (code, text.startswith("no line leads to a point DES-64.01.06.2099; near are")) == (
        1,
        True,
    )
    assert (await command(outside, one, "end", "--point", point.lower()))[0] == 0
    assert await answers(one, address)
    await a_district_goes_down_together(outside, one)


def addresses(laid: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {line["monitoredAddress"]: name for name, line in laid.items()}


async def becomes_silent(stack: Stack, address: str) -> bool:
    """Tell whether five packets in a row are lost soon, which chance alone does not do."""

    async def silent() -> bool:
        asked = reflects(address, line_port(stack))
        return not any(await asyncio.gather(*(asked() for _ in range(5))))

    return await until(silent, within_s=20)


async def a_district_goes_down_together(outside: Outsiders, stack: Stack) -> None:
    sites = read_sites(stack.state.of("network"))
    hit = [site for site in sites if site.district == "64.01.06"]
    code, text = await command(outside, stack, "--district", "long ikis", "--minutes", "5")
    assert code == 0
    assert text.startswith(f"down: 64.01.06 (Long Ikis), {len(hit)} points until ")
    for site in hit[:3]:
        assert await becomes_silent(stack, site.address)
    assert (await command(outside, stack, "end"))[0] == 0


@pytest.mark.timeout(TWO_STARTS_S)
async def test_laying_goes_on_after_a_kill_and_a_second_start_changes_nothing(
    folder: Path,
) -> None:
    fixed = {"port": 0, "state_folder": folder, "durable": False, "network": "on"}
    settings = StackSettings.model_validate(fixed)
    async with Stack(settings) as stack:
        await kill_while_laying(stack)
        assert await is_laid(stack)
        assert len(await circuits(stack)) == POINTS
        deleted, suspended = await a_person_changes_something(stack)
        left_circuits, left_points = await circuits(stack), await points(stack)
    async with Stack(settings) as again:
        assert await answering(again, 1)
        assert await looked_at_the_inventory(again, deleted)
        assert await circuits(again) == left_circuits
        assert await points(again) == left_points
    assert deleted not in left_circuits
    assert left_points[suspended]["state"] == "SUSPENDED"


async def kill_while_laying(stack: Stack) -> None:
    async def begun() -> bool:
        return len(await circuits(stack)) > 0

    assert await until(begun, within_s=60)
    killed = stack.children["network"].pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert not laid_mark(stack.state.of("network"), "64.01").exists()


async def a_person_changes_something(stack: Stack) -> tuple[str, str]:
    """Delete one point's line and suspend another; return the points' names."""
    deleted, suspended, *_ = sorted(await points(stack))
    async with http_caller(stack) as client:
        (await client.delete(f"/v1/{deleted}/circuits/main")).raise_for_status()
        (await client.post(f"/v1/{suspended}:suspend")).raise_for_status()
    return deleted, suspended


async def looked_at_the_inventory(stack: Stack, deleted: str) -> bool:
    """Tell whether the network learns that there is no line to the point any more."""

    async def learnt() -> bool:
        known = {site.point for site in read_sites(stack.state.of("network"))}
        return deleted.rpartition("/")[2] not in known

    return await until(learnt, within_s=60)


async def test_the_start_says_when_the_lines_are_laid(folder: Path, outside: Outsiders) -> None:
    run = await outside("-m", "devstack", port=0, state_folder=folder, network="on")
    url = (await run.line("ready: ")).removeprefix("ready: ")
    assert (await run.line("the demonstration's lines are laid")).endswith(url)
    assert await run.end(signal.SIGTERM) == 0


async def test_a_stack_without_the_network_says_so(
    fresh_stack: StartStack, outside: Outsiders
) -> None:
    stack = await fresh_stack(data_folder=None)
    assert "network" not in stack.children
    code, text = await command(outside, stack, "--point", "x")
    assert code == 1
    assert "SMARTCITY_STACK_NETWORK=on" in text


async def test_without_a_stack_there_is_nothing_to_break(folder: Path, outside: Outsiders) -> None:
    run = await outside("-m", "devstack", "outage", "--point", "x", state_folder=folder)
    assert await run.end() == 1
    assert "make run" in run.text


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
async def test_nothing_of_the_network_is_left_behind(
    death: signal.Signals, folder: Path, outside: Outsiders
) -> None:
    port = free_udp_port()
    run = await outside(
        *("-m", "devstack", "--quiet"),
        port=0,
        state_folder=folder,
        data_folder="none",
        network="on",
        ports=f'{{"network": {port}}}',
    )
    await run.line("ready: ")
    assert await reflects(OWN, port)()
    run.see_below()
    below = psutil.Process(run.process.pid).children()
    assert "devstack.network" in [word for child in below for word in child.cmdline()]
    assert await run.end(death) == (0 if death is signal.SIGTERM else -death)
    assert await run.nothing_is_left()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
