"""The fixtures that other packages' tests stand on."""

from pathlib import Path

import asyncpg
import pytest
from devstack.testing import MakeDatabase

MIGRATION = """-- migrate:up
CREATE TABLE towers (id int PRIMARY KEY);
CREATE TABLE secrets (id int PRIMARY KEY);
GRANT SELECT, INSERT ON towers TO towers;
-- migrate:down
"""


@pytest.fixture
def migrations(folder: Path) -> Path:
    (folder / "0001_create_towers.sql").write_text(MIGRATION)
    return folder


async def count(url: str, table: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608
    finally:
        await connection.close()


async def test_each_database_is_migrated_and_its_own(
    make_database: MakeDatabase, migrations: Path
) -> None:
    one, other = [await make_database("towers", migrations) for _ in range(2)]
    connection = await asyncpg.connect(one.url)
    await connection.execute("INSERT INTO towers VALUES (1)")
    await connection.close()
    assert await count(one.url, "towers") == 1
    assert await count(other.url, "towers") == 0


async def test_the_services_role_has_only_what_migrations_grant(
    make_database: MakeDatabase, migrations: Path
) -> None:
    database = await make_database("towers", migrations)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await count(database.url, "secrets")
    assert await count(database.owner_url, "secrets") == 0
