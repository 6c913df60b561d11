"""A folder that gets its name only when it is whole, whatever is killed in between."""

import fcntl
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.backup.archive import flush
from devstack.errors import BackupRefused
from devstack.output import say
from devstack.state import LEFTOVERS_END_WITHIN_S
from devstack.waiting import until

SUFFIX = ".unfinished"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The folder, and the descriptor of its lock: a child that inherits it holds the lock too."""

    folder: Path
    lock: int


@asynccontextmanager
async def unfinished(final: Path) -> AsyncIterator[Unfinished]:
    """Give an empty folder beside `final`, which takes its place when nothing was raised.

    It is closed to others: whoever reads a backup reads every table.

    What one that was killed has left is deleted first.

    Raises:
        BackupRefused: `final` holds something, or another process writes it now.
    """
    _require_free(final)
    folder = final.with_name(final.name + SUFFIX)
    if folder.exists():
        say(f"{folder} is what another one has left: starting over")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        await _take(lock, folder)
        try:
            folder.chmod(0o700)
            _empty(folder)
            yield Unfinished(folder, lock)
            _require_free(final)
            folder.rename(final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        flush(final.parent)
    finally:
        os.close(lock)


def _require_free(final: Path) -> None:
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise BackupRefused(f"{final} is there and not empty: name another folder")


async def _take(lock: int, folder: Path) -> None:
    async def taken() -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if not await until(taken, LEFTOVERS_END_WITHIN_S):
        raise BackupRefused(f"another process writes {folder} now")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
