"""The whole platform, with real services and without data."""

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from devstack.stack import Stack
from devstack.testing import Outsiders, StartStack
from devstack.waiting import until

UP = ("-m", "devstack")


async def test_the_lag_of_every_service_s_outbox_is_shown(stack: Stack, outside: Outsiders) -> None:
    tool = await outside("-m", "devstack", "events", "lag", state_folder=stack.state.path)
    assert await tool.end() == 0
    said = "".join(tool.lines)
    assert "outbox of inventory" in said
    assert "outbox of monitoring" in said


async def test_it_becomes_ready_and_stops_in_order(folder: Path, outside: Outsiders) -> None:
    run = await outside(*UP, port=0, state_folder=folder, data_folder="none")
    await run.line("ready: http://127.0.0.1:")
    assert {"postgres", "nats-server"} < set(run.see_below())
    for child in psutil.Process(run.process.pid).children():
        assert str(folder / "lock") in [file.path for file in child.open_files()], child.name()
    assert await run.end(signal.SIGTERM) == 0
    assert await run.nothing_is_left()
    ends = [line for line in run.lines if '"stopped"' in line or "is shut down" in line]
    assert [line.split()[0] for line in ends] == [
        "gateway",
        "prober",
        "monitoring",
        "inventory",
        "postgres",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_a_signal_during_the_start_stops_everything(
    number: signal.Signals, folder: Path, outside: Outsiders
) -> None:
    run = await outside(*UP, port=0, state_folder=folder, data_folder="none")
    await run.line("inventory-migrate")
    run.see_below()
    assert await run.end(number) == 0
    assert await run.nothing_is_left()


async def test_a_kill_leaves_nothing_and_the_next_start_works(
    folder: Path, outside: Outsiders
) -> None:
    run = await outside(*UP, "--quiet", port=0, state_folder=folder, data_folder="none")
    url = await run.line("ready: ")
    assert len(run.see_below()) > 8
    run.process.kill()
    port = url.rpartition(":")[2]
    again = await outside(*UP, "--quiet", port=port, state_folder=folder, data_folder="none")
    assert await again.line("ready: ") == url
    assert await run.nothing_is_left()
    assert await again.end(signal.SIGINT) == 0


async def test_a_second_one_on_the_same_folder_is_refused(folder: Path, outside: Outsiders) -> None:
    first = await outside(*UP, "--quiet", port=0, state_folder=folder, data_folder="none")
    await first.line("ready: ")
    second = await outside(*UP, port=0, state_folder=folder)
    assert await second.end() == 1
    assert f"process {first.process.pid}. Stop it" in "".join(second.lines)
    clean = await outside(*UP, "clean", state_folder=folder)
    assert await clean.end() == 1
    load = await outside(*UP, "load", "--region", "64.01", "/no/such", state_folder=folder)
    assert await load.end() == 1
    assert "/no/such" in "".join(load.lines)
    assert await first.end(signal.SIGTERM) == 0
    clean = await outside(*UP, "clean", state_folder=folder)
    assert await clean.end() == 0
    assert contents(folder.parent, folder.name) == []


async def test_a_process_that_cannot_be_kept_alive_ends_everything(
    folder: Path, outside: Outsiders
) -> None:
    run = await outside(*UP, "--quiet", port=0, state_folder=folder, data_folder="none")
    await run.line("ready: ")
    run.see_below()

    async def killed_to_the_end() -> bool:
        for process in psutil.Process(run.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it ended by itself since
                if process.name() == "nats-server":
                    process.kill()
        return "given up" in (folder / "logs" / "nats.log").read_text()

    assert await until(killed_to_the_end, within_s=20)
    assert await run.end() == 1
    assert await run.nothing_is_left()
    assert run.lines[-2].startswith("nats cannot be kept alive")


async def test_a_folder_of_something_else_is_neither_used_nor_cleaned(
    folder: Path, outside: Outsiders
) -> None:
    (folder / "letter.txt").write_text("dear")
    for words in (UP, (*UP, "clean")):
        run = await outside(*words, port=0, state_folder=folder)
        assert await run.end() == 1
        assert "holds other things" in run.lines[0]
    assert contents(folder) == ["letter.txt"]


async def test_a_busy_port_is_refused_before_anything_starts(
    folder: Path, outside: Outsiders
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        run = await outside(*UP, port=port, state_folder=folder)
        assert await run.end() == 1
    assert len(run.lines) == 2  # the message and the end
    assert f"port {port} of 127.0.0.1 is in use" in run.lines[0]
    assert not (folder / "postgres").exists()


async def test_a_load_without_a_stack_says_so(folder: Path, outside: Outsiders) -> None:
    run = await outside(*UP, "load", "--region", "64.01", "data/paser", state_folder=folder)
    assert await run.end() == 1
    assert "make run" in run.lines[0]


async def test_two_run_side_by_side_and_each_killed_process_comes_back(
    fresh_stack: StartStack,
) -> None:
    one = await fresh_stack(data_folder=None)
    other = await fresh_stack(data_folder=None)
    assert one.url != other.url
    for name in ("postgres", "nats", "inventory", "gateway"):
        assert await comes_back(one, name), name
    assert await other.children["gateway"].is_ready()


def contents(folder: Path, pattern: str = "*") -> list[str]:
    return [path.name for path in folder.glob(pattern)]


async def comes_back(stack: Stack, name: str) -> bool:
    child = stack.children[name]
    killed = child.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)

    async def well() -> bool:
        if child.pid == killed or not await child.is_ready():
            return False
        return await stack.children["gateway"].is_ready()

    return await until(well, within_s=30)
