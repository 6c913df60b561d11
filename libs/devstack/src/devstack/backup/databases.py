"""All databases and roles of one moment, by PostgreSQL's own tools.

A copy of the whole server, not a dump of each database: every service's tables are of the same
moment, and transaction ids go on, on which the chain of the history rests.
"""

import os
import tarfile
from pathlib import Path

from devstack.backup.streams import Tell
from devstack.output import Sink
from devstack.postgres import PORT, SUPERUSER, EmbeddedPostgres, plain_environment, program
from devstack.process import ProcessSpec, run_to_end
from devstack.server_user import ServerUser, server_user
from devstack.waiting import always

WITHIN_S = 24 * 3600.0
BASE, LOG = "base.tar.gz", "pg_wal.tar.gz"
SERVICES = "SELECT datname FROM pg_database WHERE datallowconn AND datname <> $1 ORDER BY datname"
HAS_MIGRATIONS = "SELECT to_regclass('public.schema_migrations') IS NOT NULL"
LAST_MIGRATION = "SELECT coalesce(max(version), '') FROM public.schema_migrations"


async def copy(postgres: EmbeddedPostgres, folder: Path, sink: Sink) -> None:
    """Copy the running server into `folder`, with the log that makes the copy whole.

    Raises:
        CommandFailed: It failed; also when a page differs from its checksum.
    """
    where = (f"--host={postgres.socket_folder}", f"--port={PORT}", f"--username={SUPERUSER}")
    form = ("--format=tar", "--compress=client-gzip:1", "--wal-method=stream")
    words = (*where, *form, "--checkpoint=fast", "--progress", f"--pgdata={folder}")
    await _run("pg_basebackup", words, sink)


def unpack(folder: Path, data_folder: Path) -> None:
    """Make a data folder from a copy; its server recovers it at its first start."""
    data_folder.mkdir(mode=0o700)
    for name, place in ((BASE, data_folder), (LOG, data_folder / "pg_wal")):
        with tarfile.open(folder / name) as packed:
            packed.extractall(place, filter="data")
    _give(server_user(data_folder.parent / "none"), data_folder)


async def check_pages(data_folder: Path, sink: Sink) -> None:
    """Have PostgreSQL compare every page of a stopped server with its checksum.

    Raises:
        CommandFailed: One differs.
    """
    await _run("pg_checksums", ("--check", f"--pgdata={data_folder}"), sink)


async def migrations(postgres: EmbeddedPostgres, tell: Tell) -> dict[str, str]:
    """Return the last migration of each database that has any."""
    found = {}
    async with postgres.connect() as connection:
        names = [row["datname"] for row in await connection.fetch(SERVICES, SUPERUSER)]
    for name in names:
        async with postgres.connect(name) as connection:
            if await connection.fetchval(HAS_MIGRATIONS):
                found[name] = str(await connection.fetchval(LAST_MIGRATION))
    tell("databases: " + ", ".join(f"{name} at {last}" for name, last in found.items()))
    return found


def major_version(data_folder: Path) -> int:
    """Return which PostgreSQL a data folder belongs to."""
    return int((data_folder / "PG_VERSION").read_text())


def _give(user: ServerUser, data_folder: Path) -> None:
    """Make everything the server's own, and closed to others."""
    for above, _, files in os.walk(data_folder):
        user.own(Path(above))
        for name in files:
            if user.uid is not None and user.gid is not None:
                os.chown(Path(above) / name, user.uid, user.gid)


async def _run(name: str, words: tuple[str, ...], sink: Sink) -> None:
    spec = ProcessSpec(
        name=name,
        command=(program(name), *words),
        env=plain_environment(),
        ready=always,
        ready_within_s=WITHIN_S,
    )
    await run_to_end(spec, sink)
