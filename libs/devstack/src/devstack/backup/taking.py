"""`backup`: the streams, then the databases, beside whatever writes meanwhile.

The order is what makes them agree. What a consumer acknowledged before the streams were read, it
has committed before the databases are; what it commits later comes again, and its inbox knows it.
What the databases tell and the streams lack is published again: relays see that a stream was set
back.
"""

import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nats

from devstack.backup import databases, streams
from devstack.backup.archive import DATABASES, NETWORK, STREAMS, Contents, seal, size
from devstack.backup.secrets import beside, keys_in
from devstack.backup.unfinished import unfinished
from devstack.errors import BackupRefused
from devstack.keys import write_private
from devstack.nats import EmbeddedNats
from devstack.output import Output, say
from devstack.ports import free_ports
from devstack.postgres import EmbeddedPostgres, PostgresOptions
from devstack.state import StateFolder, held, holder, require_ready

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Servers:
    """The two servers that hold everything."""

    postgres: EmbeddedPostgres
    nats_url: str


async def take(state: StateFolder, to: Path) -> None:
    """Back up the platform of a state folder, running or stopped, into the new folder `to`.

    Raises:
        BackupRefused: There is nothing to back up, or `to` is taken.
        StackNotRunning: A stack is starting or stopping.
        CommandFailed: PostgreSQL's tool failed.
    """
    if not state.postgres.exists():
        raise BackupRefused(f"{state.path} holds no platform: say which, with DATA=")
    keys = keys_in(state.secrets).model_dump_json()
    _require_no_other_keys(beside(to), keys)
    async with unfinished(to) as place:
        async with _servers(state) as servers:
            contents = await _copy(servers, state, place.folder)
        seal(place.folder, contents)
        write_private(beside(to), keys, folder_mode=0o755)
    say(f"backed up to {to}, {size(to) / MEBIBYTE:.1f} MiB; begun {contents.begin_time}")
    say(f"KEEP ELSEWHERE: {beside(to)} opens every contact in it, and nothing else does")


def _require_no_other_keys(path: Path, keys: str) -> None:
    """Refuse to write over keys, but for these that a kill before the backup's name has left."""
    if path.exists() and path.read_text() != keys:
        raise BackupRefused(f"{path} is there, the keys of another backup: choose another TO=")


async def _copy(servers: Servers, state: StateFolder, folder: Path) -> Contents:
    begin_time = datetime.now(UTC).isoformat(timespec="milliseconds")
    async with await nats.connect(servers.nats_url) as client:
        taken = await streams.take_all(client, _new(folder / STREAMS), say)
    migrations = await databases.migrations(servers.postgres, say)
    sink = Output(terminal=sys.stdout.buffer).sink(DATABASES)
    await databases.copy(servers.postgres, folder / DATABASES, sink)
    if state.of(NETWORK).exists():
        shutil.copytree(state.of(NETWORK), folder / NETWORK)
    return Contents(
        begin_time=begin_time,
        postgres=databases.major_version(state.postgres),
        migrations=migrations,
        streams=taken,
        secrets=keys_in(state.secrets).digests(),
    )


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


@asynccontextmanager
async def _servers(state: StateFolder) -> AsyncIterator[Servers]:
    """Give the servers of the stack that runs, or start them alone."""
    if holder(state) is not None:
        require_ready(state)
        told = json.loads(state.addresses.read_text())
        yield Servers(EmbeddedPostgres(state.postgres), told["SMARTCITY_NATS_URL"])
        return
    async with held(state) as lock, started(state, lock) as servers:
        yield servers


@asynccontextmanager
async def started(state: StateFolder, lock: int) -> AsyncIterator[Servers]:
    """Start the two servers of a state folder, without any service."""
    keep = (lock,)
    postgres = EmbeddedPostgres(state.postgres, PostgresOptions(keep=keep))
    port, monitor_port = free_ports(2)
    bus = EmbeddedNats(state.nats, (port, monitor_port), keep=keep)
    await postgres.start()
    try:
        await bus.start()
        try:
            yield Servers(postgres, bus.url)
        finally:
            await bus.stop()
    finally:
        await postgres.stop()
