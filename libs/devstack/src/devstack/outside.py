"""A Python process and all below it, seen from outside: for tests that kill it."""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Self

import psutil

from devstack.waiting import until

GONE_WITHIN_S = 15.0


class Outside:
    """`python <words>` with settings of the stack, its output readable line by line."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._below: list[psutil.Process] = []

    @classmethod
    async def start(cls, *words: str, **settings: object) -> Self:
        """Start the process; `port=0` becomes SMARTCITY_STACK_PORT=0. The network is off."""
        told = {"network": "off"} | settings
        named = {f"SMARTCITY_STACK_{name.upper()}": str(value) for name, value in told.items()}
        command = (sys.executable, *words)
        env = dict(os.environ) | named
        return cls(
            await create_subprocess_exec(*command, env=env, stdout=PIPE, stderr=subprocess.STDOUT)
        )

    @property
    def text(self) -> str:
        """All that was read so far."""
        return "".join(self.lines)

    async def line(self, beginning: str, within_s: float = 60) -> str:
        """Read on to the line that begins so, and return it."""
        async with asyncio.timeout(within_s):
            while text := await self._next():
                if text.startswith(beginning):
                    return text.rstrip()
        raise EOFError(self.text)

    def see_below(self) -> list[str]:
        """Remember all processes below; return their names."""
        self._below = psutil.Process(self.process.pid).children(recursive=True)
        return list(_names(self._below))

    def left(self) -> list[str]:
        """Return the names of those remembered processes that still run."""
        return list(_names(process for process in self._below if _lives(process)))

    async def nothing_is_left(self) -> bool:
        """Tell whether all remembered processes end soon."""

        async def gone() -> bool:
            return not self.left()

        return await until(gone, GONE_WITHIN_S)

    async def end(self, number: signal.Signals | None = None, within_s: float = 30) -> int:
        """Send a signal, or none, and wait for the end; return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(within_s):
            while await self._next():
                pass
            return await self.process.wait()

    async def _next(self) -> str:
        if self.process.stdout is None:
            return ""
        text = (await self.process.stdout.readline()).decode()
        self.lines.append(text)
        return text


def _names(processes: Iterable[psutil.Process]) -> Iterator[str]:
    """Name the processes; one that ended since it was seen has no name any more."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            yield process.name()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
