"""The supervisor, with small stand-in commands."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from devstack.errors import CommandFailed, StartFailed
from devstack.output import Output
from devstack.process import Child, ProcessSpec, child_environment, run_to_end
from devstack.waiting import always, until

SLEEPS = "import time; print('here', flush=True); time.sleep(1000)"
IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('here', flush=True); time.sleep(1000)"
)


def spec_of(code: str) -> ProcessSpec:
    return ProcessSpec(
        name="stand-in",
        command=(sys.executable, "-c", code),
        env=child_environment(),
        ready=always,
    )


def child_of(spec: ProcessSpec, folder: Path) -> Child:
    """Return the child, ready when it wrote `here`."""

    async def wrote() -> bool:
        return "here" in (folder / "stand-in.log").read_text()

    return Child(replace(spec, ready=wrote), Output(folder).sink("stand-in"))


async def test_a_killed_process_is_started_again(folder: Path) -> None:
    child = child_of(spec_of(SLEEPS), folder)
    await child.start()
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    async def replaced() -> bool:
        return child.pid not in {None, first}

    assert await until(replaced, within_s=5)
    await child.stop()
    assert child.pid is None
    assert "ended with -9; started again in 0.2 s" in (folder / "stand-in.log").read_text()


async def test_a_process_that_dies_again_and_again_is_given_up(folder: Path) -> None:
    child = Child(spec_of("raise SystemExit(3)"), Output(folder).sink("stand-in"))
    await child.start()

    async def given_up() -> bool:
        return child.given_up.is_set()

    assert await until(given_up, within_s=15)
    log = (folder / "stand-in.log").read_text()
    waits = [line.split()[-2] for line in log.splitlines() if "again in" in line]
    assert waits == ["0.2", "0.4", "0.8", "1.6"]
    await child.stop()


async def test_a_process_that_is_never_ready_fails_with_its_last_lines(folder: Path) -> None:
    async def never() -> bool:
        return False

    spec = replace(spec_of(SLEEPS), ready=never, ready_within_s=1)
    child = Child(spec, Output(folder).sink("stand-in"))
    with pytest.raises(StartFailed, match=r"not ready within 1 s; its last lines:\nhere"):
        await child.start()
    assert child.pid is None


async def test_a_process_that_ends_while_starting_fails_with_its_last_lines(folder: Path) -> None:
    async def never() -> bool:
        return False

    spec = replace(spec_of("raise SystemExit('no such table')"), ready=never)
    with pytest.raises(StartFailed, match=r"ended with 1; its last lines:\nno such table"):
        await Child(spec, Output(folder).sink("stand-in")).start()


async def test_a_missing_program_is_named(folder: Path) -> None:
    spec = replace(spec_of(""), command=("/no/such/program",))
    with pytest.raises(StartFailed, match="/no/such/program"):
        await Child(spec, Output(folder).sink("stand-in")).start()


async def test_a_deaf_process_is_killed_after_its_deadline(folder: Path) -> None:
    steps = ((signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
    child = child_of(replace(spec_of(IGNORES_TERM), stop=steps), folder)
    await child.start()
    await child.stop()
    assert child.pid is None


async def test_a_hurried_stop_does_not_wait_for_the_deadline(folder: Path) -> None:
    steps = ((signal.SIGTERM, 1000.0), (signal.SIGKILL, 5.0))
    child = child_of(replace(spec_of(IGNORES_TERM), stop=steps), folder)
    await child.start()
    child.hurry()
    await child.stop()
    assert child.pid is None


async def test_a_failing_command_is_reported_with_its_last_lines(folder: Path) -> None:
    sink = Output(folder).sink("stand-in")
    with pytest.raises(CommandFailed, match=r"ended with 1; its last lines:\nwrong file"):
        await run_to_end(spec_of("raise SystemExit('wrong file')"), sink)


async def test_a_command_that_takes_too_long_is_ended(folder: Path) -> None:
    sink = Output(folder).sink("stand-in")
    with pytest.raises(CommandFailed):
        await run_to_end(replace(spec_of(SLEEPS), ready_within_s=0.5), sink)


def test_children_get_no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTCITY_GRPC_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = child_environment({"SMARTCITY_HTTP_ADDRESS": "127.0.0.1:2"})
    assert environment["LANG"] == "C.UTF-8"
    ours = {name for name in environment if name.startswith(("SMARTCITY_", "PG"))}
    assert ours == {"SMARTCITY_HTTP_ADDRESS"}
