"""A service's database: a pool that survives its server, and transactions that may be dry runs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from common.caller import current_caller
from common.errors import Kind, ServiceError
from common.setting_kinds import read_secret
from common.settings import DatabaseSettings
from common.telemetry.logs import logger
from common.telemetry.metrics import DATABASE_CONNECTIONS, DATABASE_CROWDED

# A text, since the driver's classes take type arguments in its stubs only.
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Row: TypeAlias = asyncpg.Record

_AWAY = (
    ConnectionError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password that is just being rotated
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection lost in the middle of one operation meets another
)
_BUSY = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCachedStatementError,
)

PATIENCE_S = 10.0
LISTEN_AGAIN_S = 0.5

BIND = "SELECT set_config('smartcity.regions', $1, false)"


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

    def __init__(
        self, pool: asyncpg.Pool, spare: asyncpg.Pool, source: "_Source", bound: dict[int, str]
    ) -> None:
        self._bound = bound
        self._pool = pool
        self._spare = spare
        self._source = source
        self._said = ""

    def read(self) -> "_Lent":
        """Lend a connection for reading; each statement sees what is committed at its time.

        It sees rows of the caller's regions only (row-level security), whatever it asks for.
        """
        return _Lent(self._pool, self._bound)

    @asynccontextmanager
    async def transaction(self, *, dry_run: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction; it is undone by an error or a dry run."""
        async with self.read() as connection:
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
        async with (
            self.read() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection

    @asynccontextmanager
    async def listening(self, channel: str, told: asyncio.Event) -> AsyncIterator[None]:
        """Set `told` at each NOTIFY on the channel; while the server is away none come."""
        task = asyncio.create_task(self._listen(channel, told))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self, channel: str, told: asyncio.Event) -> None:
        while True:
            try:
                await self._listen_once(channel, told)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(LISTEN_AGAIN_S)

    async def _listen_once(self, channel: str, told: asyncio.Event) -> None:
        source = self._source
        connection = await asyncpg.connect(
            source.url, password=source.password(), timeout=PATIENCE_S
        )
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(channel, lambda *_: told.set())
            told.set()  # something may have come while nobody listened
            await lost.wait()
        finally:
            await connection.close(timeout=1)

    async def is_there(self) -> bool:
        """Tell whether the database answers within a second."""
        try:
            async with self._spare.acquire(timeout=1) as connection:
                await connection.fetchval("SELECT 1", timeout=1)
        except (OSError, *_AWAY, TimeoutError, asyncpg.PostgresError) as error:
            self._say(f"{type(error).__name__}: {error}")
            return False
        self._said = ""
        return True

    def _say(self, reason: str) -> None:
        """Log once why the database does not answer: calls are told no more than that it is so."""
        if reason != self._said:
            logger().warning("database does not answer", error=reason)
        self._said = reason


@asynccontextmanager
async def open_database(
    url: str, *, size: int = 10, password_file: Path | None = None
) -> AsyncIterator[Database]:
    """Open the pool of `postgresql://user@host/name`; the server need not be there yet.

    The password is that of the file, read for each new connection, or the URL's own.
    """
    bound: dict[int, str] = {}
    source = _Source(url, password_file)
    async with _pool(source, size, bound) as pool, _pool(source, 1, bound) as spare:
        DATABASE_CONNECTIONS.labels("open").set_function(pool.get_size)
        DATABASE_CONNECTIONS.labels("idle").set_function(pool.get_idle_size)
        yield Database(pool, spare, source, bound)


def database_of(
    settings: DatabaseSettings, *, size: int = 10
) -> AbstractAsyncContextManager[Database]:
    """Open the pool of the database that the settings say."""
    return open_database(
        settings.database_url, size=size, password_file=settings.database_password_file
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """Where connections lead, and what opens them."""

    url: str
    password_file: Path | None

    def password(self) -> Callable[[], str] | None:
        """Return what reads the password; None leaves it to the URL."""
        return partial(read_secret, self.password_file) if self.password_file else None


def _pool(source: _Source, size: int, bound: dict[int, str]) -> asyncpg.Pool:
    async def unbound(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        bound.pop(connection.get_server_pid(), None)  # of an ended session with the same number

    return asyncpg.create_pool(
        source.url,
        password=source.password(),
        min_size=0,
        max_size=size,
        reset=_keep,
        init=unbound,
        server_settings={"application_name": "smartcity", "timezone": "UTC"},
        command_timeout=120,
    )


async def _keep(_: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Reset nothing between borrowers: nobody but `_Lent` sets anything outside a transaction.

    asyncpg's own reset costs a round trip per call.
    """


class _Lent:
    """A connection out of the pool, as `async with`; what the driver raises is translated.

    A class, since the same as generators, one in the other, cost a tenth of a small call.
    """

    __slots__ = ("_bound", "_connection", "_pool")

    def __init__(self, pool: asyncpg.Pool, bound: dict[int, str]) -> None:
        self._pool = pool
        self._bound = bound

    async def __aenter__(self) -> Connection:
        try:
            async with asyncio.timeout(PATIENCE_S):  # cheaper than acquire's own, a task each
                self._connection = await self._pool.acquire()
        except TimeoutError as error:
            DATABASE_CROWDED.inc()
            raise DatabaseCrowded("too many calls at once; repeat this one later") from error
        except (OSError, *_AWAY) as error:
            raise _away() from error
        regions, session = current_caller().regions, self._connection.get_server_pid()
        if self._bound.get(session) != regions:
            await self._bind(session, regions)
        return self._connection

    async def _bind(self, session: int, regions: str) -> None:
        """Bind the session to the caller's regions; most callers find it bound to theirs."""
        self._bound.pop(session, None)
        try:
            await self._connection.execute(BIND, regions)
        except BaseException as error:
            await self._pool.release(self._connection)
            raise _translated(error) from error
        self._bound[session] = regions

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, asyncpg.InternalClientError):
            self._connection.terminate()  # whatever it was doing, nobody shall get it again
        try:
            await self._pool.release(self._connection)
        except _AWAY as broken:
            error = error or broken
        if error is not None:
            translation = _translated(error)
            if translation is not error:
                raise translation from error


def _translated(error: BaseException) -> BaseException:
    """Return the failure above that an error of the driver's means; others as they are."""
    if isinstance(error, ServiceError | TimeoutError):
        return error
    if isinstance(error, _BUSY):
        return DatabaseBusy("another change was under way; repeat the call")
    if isinstance(error, asyncpg.QueryCanceledError):
        return QueryTimedOut("the database took too long")
    if isinstance(error, _AWAY) and not _is_our_fault(error):
        return _away()
    return error


def _is_our_fault(error: BaseException) -> bool:
    """Tell whether the driver refused a statement's arguments, by kind or by count."""
    return isinstance(error, ValueError) or "the server expects" in str(error)


def _away() -> DatabaseAway:
    return DatabaseAway("the database cannot be reached; repeat the call")
