"""A process under supervision: started, watched, started again when it dies, stopped in order."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from common.child import start_child

from devstack.errors import CommandFailed, StartFailed
from devstack.output import Sink
from devstack.pipe import OutputPipe
from devstack.waiting import INTERVAL_S, Condition, first_of

FIRST_BACK_OFF_S = 0.2
LONGEST_BACK_OFF_S = 5.0
DEATHS_ALLOWED = 5
DEATHS_WITHIN_S = 30.0
HURRIED_PATIENCE_S = 0.5

StopSteps = tuple[tuple[signal.Signals, float], ...]
"""Signals to send until the process ends, each with the seconds it is given."""

TERMINATE: StopSteps = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to run, how to see that it is ready and how to end it."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    ready: Condition
    ready_within_s: float = 30.0
    stop: StopSteps = TERMINATE
    on_parent_death: signal.Signals = signal.SIGTERM
    user: int | None = None
    keep: tuple[int, ...] = ()
    """Descriptors that the process inherits."""


class Child:
    """One process of ours. Between `start` and `stop` it runs, whatever kills it.

    One that dies `DEATHS_ALLOWED` times within `DEATHS_WITHIN_S` seconds is given up.
    """

    def __init__(self, spec: ProcessSpec, sink: Sink) -> None:
        self.spec = spec
        self.given_up = asyncio.Event()
        self._sink = sink
        self._pipe: OutputPipe | None = None
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._deaths: deque[float] = deque(maxlen=DEATHS_ALLOWED)
        self._short_lives = 0

    @property
    def pid(self) -> int | None:
        """The id of the process that runs now; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def is_ready(self) -> bool:
        """Tell whether the process runs and answers."""
        return self.pid is not None and await self.spec.ready()

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            StartFailed: It ended, or was not ready in time; it is gone then.
        """
        self._stopping.clear()
        self._pipe = await OutputPipe.open(self._sink.write)
        try:
            self._process = await self._launch()
            await self._become_ready(self._process)
        except BaseException:
            await self._end()
            await self._close()
            raise
        self._watch = asyncio.create_task(self._supervise(), name=f"watch {self.spec.name}")

    async def stop(self) -> None:
        """End the process for good; does nothing when it was not started."""
        self._stopping.set()
        if self._watch is not None:
            await self._watch
            self._watch = None
            await self._close()

    def hurry(self) -> None:
        """Make a stop that is under way, or the next one, take the harsher steps soon."""
        self._hurried.set()

    async def _launch(self) -> Process:
        if self._pipe is None:
            raise RuntimeError("start() opens the pipe first")
        try:
            return await start_child(
                self.spec.command,
                env=self.spec.env,
                on_parent_death=self.spec.on_parent_death,
                user=self.spec.user,
                output=self._pipe.entry,
                keep=self.spec.keep,
            )
        except OSError as error:
            raise StartFailed(f"{self.spec.name} cannot be started: {error}") from error

    async def _become_ready(self, process: Process) -> None:
        deadline = time.monotonic() + self.spec.ready_within_s
        while not await self.spec.ready():
            if process.returncode is not None:
                raise StartFailed(await self._report(f"ended with {process.returncode}"))
            if time.monotonic() > deadline:
                text = f"was not ready within {self.spec.ready_within_s:g} s"
                raise StartFailed(await self._report(text))
            await first_of(process.wait(), within_s=INTERVAL_S)

    async def _supervise(self) -> None:
        while not self._stopping.is_set():
            born = time.monotonic()
            if self._process is not None:
                await first_of(self._process.wait(), self._stopping.wait())
            if self._stopping.is_set():
                break
            back_off_s = self._back_off(born, time.monotonic())
            if back_off_s is None:
                self.given_up.set()
                return
            await first_of(self._stopping.wait(), within_s=back_off_s)
            if not self._stopping.is_set():
                await self._relaunch()
        await self._end()

    def _back_off(self, born: float, died: float) -> float | None:
        self._deaths.append(died)
        name, code = self.spec.name, None if self._process is None else self._process.returncode
        if len(self._deaths) == DEATHS_ALLOWED and died - self._deaths[0] < DEATHS_WITHIN_S:
            self._sink.note(f"{name} ended with {code}, for the {DEATHS_ALLOWED}th time: given up")
            return None
        self._short_lives = 1 if died - born > DEATHS_WITHIN_S else self._short_lives + 1
        back_off_s = min(FIRST_BACK_OFF_S * 2 ** (self._short_lives - 1), LONGEST_BACK_OFF_S)
        self._sink.note(f"{name} ended with {code}; started again in {back_off_s:g} s")
        return float(back_off_s)

    async def _relaunch(self) -> None:
        try:
            self._process = await self._launch()
        except StartFailed as error:
            self._process = None
            self._sink.note(str(error))

    async def _end(self) -> None:
        process = self._process
        for step, patience_s in self.spec.stop:
            if process is None or process.returncode is not None:
                return
            process.send_signal(step)
            await self._await_exit(process, patience_s)

    async def _await_exit(self, process: Process, patience_s: float) -> None:
        await first_of(process.wait(), self._hurried.wait(), within_s=patience_s)
        if process.returncode is None and self._hurried.is_set():
            await first_of(process.wait(), within_s=min(patience_s, HURRIED_PATIENCE_S))

    async def _report(self, text: str) -> str:
        if self._pipe is not None:
            await self._pipe.settle()
        return f"{self.spec.name} {text}; its last lines:\n{self._sink.tail()}"

    async def _close(self) -> None:
        if self._pipe is not None:
            await self._pipe.close()
            self._pipe = None
        self._sink.close()


async def run_to_end(spec: ProcessSpec, sink: Sink) -> None:
    """Run a command that ends by itself within `spec.ready_within_s` seconds.

    Raises:
        CommandFailed: It ended with another code than 0, or took too long.
    """
    pipe = await OutputPipe.open(sink.write)
    try:
        process = await start_child(
            spec.command, env=spec.env, output=pipe.entry, user=spec.user, keep=spec.keep
        )
        try:
            await first_of(process.wait(), within_s=spec.ready_within_s)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await pipe.settle()
    finally:
        await pipe.close()
        sink.close()
    if process.returncode != 0:
        text = f"{spec.name} ended with {process.returncode}; its last lines:\n{sink.tail()}"
        raise CommandFailed(text)


def child_environment(*extras: Mapping[str, str]) -> dict[str, str]:
    """Return our environment with `extras` for a child, without what would steer it by accident.

    That is what other stacks left (`SMARTCITY_*`) and libpq's variables (`PG*`).
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SMARTCITY_", "PG"))
    }
    tools = os.path.dirname(sys.executable)  # noqa: PTH120 - a venv's python is a link: not resolved
    path = f"{tools}{os.pathsep}{inherited.get('PATH', os.defpath)}"
    environment = inherited | {"PATH": path, "PYTHONUNBUFFERED": "1"}
    for extra in extras:
        environment.update(extra)
    return environment
