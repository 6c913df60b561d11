"""A service's database: a pool that survives its server, and transactions that may be dry runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from common.errors import Kind, ServiceError

# A text, since the driver's classes take type arguments in its stubs only.
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Row: TypeAlias = asyncpg.Record

_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)
_BUSY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)

PATIENCE_S = 10.0


class DatabaseAway(ServiceError):
    """The database cannot be reached; nothing was changed that was not answered."""

    kind = Kind.UNAVAILABLE
    reason = "DATABASE_AWAY"
    retry_after_s = 1.0


class DatabaseBusy(ServiceError):
    """Two transactions stood in each other's way; this one was undone."""

    kind = Kind.CONFLICT
    reason = "DATABASE_BUSY"
    retry_after_s = 0.1


class QueryTimedOut(ServiceError):
    """A statement took longer than the database allows."""

    kind = Kind.TIMED_OUT
    reason = "QUERY_TIMED_OUT"


class DatabaseCrowded(ServiceError):
    """Every connection of the pool was busy for `PATIENCE_S`."""

    kind = Kind.UNAVAILABLE
    reason = "DATABASE_CROWDED"
    retry_after_s = 2.0


class Database:
    """The pool of one process. Connections are made when they are first needed.

    `spare` is for the question whether the database is there: a busy pool is no reason to be
    taken for dead.
    """

    def __init__(self, pool: asyncpg.Pool, spare: asyncpg.Pool) -> None:
        self._pool = pool
        self._spare = spare

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """Lend a connection for reading; each statement sees what is committed at its time."""
        with _translated():
            async with self._borrowed() as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self, *, dry_run: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction; it is undone by an error or a dry run."""
        with _translated():
            async with self._borrowed() as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    yield connection
                except BaseException:
                    await transaction.rollback()
                    raise
                await (transaction.rollback() if dry_run else transaction.commit())

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Lend a connection whose statements all see the same moment, for long reads."""
        with _translated():
            async with (
                self._borrowed() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection

    async def is_there(self) -> bool:
        """Tell whether the database answers within a second."""
        try:
            async with self._spare.acquire(timeout=1) as connection:
                await connection.fetchval("SELECT 1", timeout=1)
        except (*_AWAY, TimeoutError, asyncpg.PostgresError):
            return False
        return True

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Connection]:
        try:
            connection = await self._pool.acquire(timeout=PATIENCE_S)
        except TimeoutError as error:
            raise DatabaseCrowded("too many calls at once; repeat this one later") from error
        try:
            yield connection
        finally:
            await self._pool.release(connection)


@asynccontextmanager
async def open_database(url: str, *, size: int = 10) -> AsyncIterator[Database]:
    """Open the pool of `postgresql://user@host/name`; the server need not be there yet."""
    async with _pool(url, size) as pool, _pool(url, 1) as spare:
        yield Database(pool, spare)


def _pool(url: str, size: int) -> asyncpg.Pool:
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=size,
        reset=_keep,
        server_settings={"application_name": "smartcity", "timezone": "UTC"},
        command_timeout=120,
    )


async def _keep(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Reset nothing between borrowers: nobody sets anything outside a transaction.

    asyncpg's own reset costs a round trip per call.
    """


class _translated:  # noqa: N801 - reads as a phrase after `with`
    """Turns what the driver raises into the failures above."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ServiceError | TimeoutError):
            return
        if isinstance(error, _BUSY):
            raise DatabaseBusy("another change was under way; repeat the call") from error
        if isinstance(error, asyncpg.QueryCanceledError):
            raise QueryTimedOut("the database took too long") from error
        # A ValueError of the driver's is a wrong argument: our fault, not the server's.
        if isinstance(error, _AWAY) and not isinstance(error, ValueError):
            raise DatabaseAway("the database cannot be reached; repeat the call") from error
