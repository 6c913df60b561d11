"""A database of the release before goes on with its history under this one."""

import subprocess
import sys
from pathlib import Path

from common.postgres import history
from common.postgres.database import open_database
from common.postgres.migrations import CHASSIS, migrate
from devstack.databases import close_schema, create_database, create_roles, owner_of
from devstack.postgres import EmbeddedPostgres

MIGRATIONS = Path(__file__).parents[2] / "migrations"
THEN = Path(__file__).with_name("release_0_1")
"""The migrations as the first release had them, where they differ from today's."""
WRITE = """
INSERT INTO changes (
       region_code, resource, action, actor, grant_held, method, request_id, changed_fields)
VALUES ('64.01', 'r', 'create', 'siti', '64.01/operator', 'CreatePoint', '', '{}')
"""
WRITE_NOW = """
INSERT INTO changes (
       region_code, resource, action, actor, grant_held, method, request_id, changed_fields,
       trace_id)
VALUES ('64.01', 'r', 'update', 'siti', '64.01/operator', 'UpdatePoint', '', '{}', '4bf92f')
"""


async def test_a_chain_begun_under_the_first_release_stays_whole_and_goes_on(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    name = "inventory_of_old"
    async with postgres_server.connect() as connection:
        await create_roles(connection, "inventory")
        await create_database(connection, name, "inventory")
    async with postgres_server.connect(name) as connection:
        await close_schema(connection, "inventory")
    url = postgres_server.dbmate_url(name, owner_of("inventory"))
    as_of_then(url, tmp_path)
    async with open_database(postgres_server.url(name, owner_of("inventory"))) as owner:
        async with owner.transaction() as connection:
            await connection.execute(WRITE)
            await history.link(connection)
        migrate(url, MIGRATIONS)
        async with owner.read() as connection:
            assert await history.verify(connection) == (True, "whole: 1 links, 1 changes")
        async with owner.transaction() as connection:
            await connection.execute(WRITE_NOW)
            await history.link(connection)
        async with owner.transaction() as connection:
            assert await history.verify(connection) == (True, "whole: 2 links, 2 changes")
            await connection.execute("UPDATE changes SET trace_id = NULL")
        async with owner.read() as connection:
            assert (await history.verify(connection))[1].startswith("broken at link 2")


def as_of_then(url: str, folder: Path) -> None:
    """Apply what the first release had: three migrations of the chassis, five of its own."""
    for kind, source in (("chassis", CHASSIS), ("own", MIGRATIONS)):
        (folder / kind).mkdir()
        for path in sorted(source.glob("*.sql"))[: 3 if kind == "chassis" else 5]:
            then = THEN / path.name if kind == "own" and (THEN / path.name).exists() else path
            (folder / kind / path.name).write_text(then.read_text())
    migrate_from(url, folder / "chassis", "chassis_migrations")
    migrate_from(url, folder / "own", "schema_migrations")


def migrate_from(url: str, folder: Path, table: str) -> None:
    where = ["--migrations-dir", str(folder), "--migrations-table", table, "--no-dump-schema"]
    dbmate = str(Path(sys.executable).with_name("dbmate"))
    subprocess.run([dbmate, "--url", url, *where, "migrate"], check=True, capture_output=True)
