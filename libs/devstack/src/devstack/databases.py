"""A service's roles and database: one that owns and migrates, one that the service runs as."""

import re
from typing import TypeAlias

import asyncpg

OWNER_SUFFIX = "_owner"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROLE_EXISTS = "SELECT 1 FROM pg_roles WHERE rolname = $1"
DATABASE_EXISTS = "SELECT 1 FROM pg_database WHERE datname = $1"
PLAIN_ROLE = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"


def owner_of(service: str) -> str:
    """Return the role that owns the service's database and runs its migrations."""
    return service + OWNER_SUFFIX


async def create_roles(connection: Connection, service: str) -> None:
    """Create the service's two roles unless they exist; neither may do anything of its own."""
    for role in (owner_of(service), service):
        if not await connection.fetchval(ROLE_EXISTS, _checked(role)):
            await connection.execute(f"CREATE ROLE {role} {PLAIN_ROLE}")


async def create_database(
    connection: Connection, name: str, service: str, template: str = "template0"
) -> None:
    """Create database `name` for the service's roles unless it exists, as a copy of `template`."""
    owner = owner_of(_checked(service))
    if not await connection.fetchval(DATABASE_EXISTS, _checked(name)):
        await connection.execute(
            f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {_checked(template)}"
        )
    # A copy does not take these rights over.
    await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {owner}, {service}")


async def close_schema(connection: Connection, service: str) -> None:
    """Let only the service use schema public of the database `connection` is in.

    What the owner creates there later grants it nothing: migrations do that, table by table.
    """
    await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await connection.execute(f"GRANT USAGE ON SCHEMA public TO {_checked(service)}")


async def drop_database(connection: Connection, name: str) -> None:
    """Drop database `name`, whoever is connected to it."""
    await connection.execute(f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a role or a database: {name!r}")
    return name
