"""`restore`: a fresh state folder from a backup, or nothing at all."""

import shutil
import sys
from pathlib import Path

import nats

from devstack.backup import databases, streams
from devstack.backup.archive import DATABASES, NETWORK, STREAMS, Contents
from devstack.backup.secrets import beside, read_keys
from devstack.backup.taking import started
from devstack.backup.unfinished import Unfinished, unfinished
from devstack.errors import BackupRefused
from devstack.output import Output, say
from devstack.state import StateFolder

POSTGRES = 18
"""The major version that the embedded server has."""


def show(backup: Path) -> None:
    """Check every byte of a backup and say what it holds; change nothing.

    Raises:
        BackupRefused: It is damaged, no backup, or from a newer release.
    """
    contents = _read(backup)
    say(f"{backup} is whole:\n{contents.describe()}")


async def restore(backup: Path, keys_file: Path | None, state: StateFolder) -> None:
    """Make the state folder, which must be missing or empty, as the backup has it.

    It gets its name when PostgreSQL has recovered and every stream is there: before, there is none.

    Raises:
        BackupRefused: The backup or its keys are not whole or do not fit, or the folder is in use.
    """
    contents = _read(backup)
    keys = read_keys(keys_file or beside(backup), contents)
    say(f"{backup} is whole:\n{contents.describe()}")
    async with unfinished(state.path) as place:
        await _fill(place, backup, contents)
        keys.put(place.folder / state.secrets.name)
    say(f"restored into {state.path}: start it with make run")


def _read(backup: Path) -> Contents:
    contents = Contents.read(backup)
    if contents.postgres != POSTGRES:
        raise BackupRefused(
            f"{backup} was made by PostgreSQL {contents.postgres}, and this release has "
            f"{POSTGRES}: restore it with the release that made it"
        )
    return contents


async def _fill(place: Unfinished, backup: Path, contents: Contents) -> None:
    state = StateFolder(place.folder)
    state.lock.touch()
    say("databases: unpacking")
    databases.unpack(backup / DATABASES, state.postgres)
    if (backup / NETWORK).exists():
        shutil.copytree(backup / NETWORK, state.of(NETWORK))
    say("databases: recovering")
    async with started(state, place.lock) as servers:
        found = await databases.migrations(servers.postgres, say)
        if found != contents.migrations:
            raise BackupRefused(f"the databases are at {found}, not at {contents.migrations}")
        async with await nats.connect(servers.nats_url) as client:
            for stream in contents.streams:
                await streams.put(client, stream, backup / STREAMS / stream.name)
                say(f"stream {stream.name}: {stream.state['messages']:,} messages")
    say("databases: checking every page")
    sink = Output(terminal=sys.stdout.buffer).sink(DATABASES)
    await databases.check_pages(state.postgres, sink)
