"""The state folder of a stack: what lies where, and that one stack at a time uses it."""

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from devstack.errors import NotStateFolder, StackNotRunning, StackRunning

LEFTOVERS_END_WITHIN_S = 30.0


class StateFolder:
    """The paths under one state folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = path / "lock"
        self.ready = path / "ready"
        """Holds the public address while the stack is ready."""
        self.addresses = path / "addresses.json"
        """Settings for tools that speak with the stack while it is ready."""
        self.issuer = path / "issuer"
        """Holds the local issuer's URL while the stack is ready, or why there is none."""
        self.logs = path / "logs"
        self.postgres = path / "postgres"
        self.nats = path / "nats"
        self.secrets = path / "secrets"

    def of(self, service: str) -> Path:
        """Return the folder that a service may write to."""
        return self.path / service

    def make(self) -> None:
        """Create the folder unless it is there.

        Raises:
            NotStateFolder: It is there and holds other things.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.lock.exists() and any(self.path.iterdir()):
            raise NotStateFolder(
                f"{self.path} holds other things: choose another folder with DATA="
            )

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.path)


@asynccontextmanager
async def held(folder: StateFolder) -> AsyncIterator[int]:
    """Hold the state folder's lock; gives its descriptor.

    Whoever inherits the descriptor holds the lock too. So a stack that was killed is over only
    when the last of its processes is gone, and this waits for that.

    Raises:
        NotStateFolder: The folder holds other things.
        StackRunning: Another stack holds it; nothing was changed.
    """
    folder.make()
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        await _take(lock, folder)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


def holder(folder: StateFolder) -> int | None:
    """Return the process id of the stack that uses the folder, or None."""
    if not folder.lock.exists():
        return None
    lock = os.open(folder.lock, os.O_RDONLY)
    try:
        return None if _try_lock(lock) else _written_pid(lock)
    finally:
        os.close(lock)


def require_ready(folder: StateFolder) -> None:
    """Check that a stack serves.

    Raises:
        StackNotRunning: There is none, or it is still starting.
    """
    if holder(folder) is None or not folder.ready.exists():
        raise StackNotRunning(f"no stack is ready on {folder.path}: start it with make run")


async def _take(lock: int, folder: StateFolder) -> None:
    deadline = time.monotonic() + LEFTOVERS_END_WITHIN_S
    while not _try_lock(lock):
        pid = _written_pid(lock)
        if pid and _lives(pid):
            raise StackRunning(
                f"a stack already uses {folder.path}: process {pid}. Stop it, or start another one "
                "beside it with DATA=<another folder> PORT=<another port>"
            )
        if time.monotonic() > deadline:
            raise StackRunning(f"processes of a killed stack still use {folder.path}")
        await asyncio.sleep(0.05)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _written_pid(lock: int) -> int:
    text = os.pread(lock, 32, 0).decode()
    return int(text) if text.isdigit() else 0


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
