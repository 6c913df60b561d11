"""The bus: a connection to NATS that comes back by itself, and the streams of `streams.toml`."""

import asyncio
import ssl
import tomllib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from common.errors import Kind, ServiceError
from common.setting_kinds import user_of_seed
from common.settings import BusSettings
from common.telemetry.logs import logger

STREAMS = Path(__file__).with_name("streams.toml")
RECONNECT_S = 0.25
NO_LIMIT = -1


class BusAway(ServiceError):
    """The bus cannot be reached; what was committed stays in the outbox until it is back."""

    kind = Kind.UNAVAILABLE
    reason = "BUS_AWAY"
    retry_after_s = 1.0


@dataclass(frozen=True, slots=True)
class Access:
    """How the servers of the bus let this process in, and by what it knows them."""

    seed_file: Path | None = None
    """The nkey seed of its user; read anew for each new connection."""
    ca_file: Path | None = None
    """The authority of the servers' certificates, when it is none that the system knows."""

    def options(self) -> dict[str, Any]:
        """Return what nats-py is told; the files are read now.

        Raises:
            OSError: A file cannot be read.
            ValueError: The seed is none.
        """
        found: dict[str, Any] = {}
        if self.seed_file is not None:
            user_of_seed(self.seed_file)
            found["nkeys_seed"] = str(self.seed_file)
        if self.ca_file is not None:
            found["tls"] = ssl.create_default_context(cafile=self.ca_file)
        return found


class Bus:
    """The connection of one process."""

    def __init__(self, replicas: int = 1, access: Access | None = None) -> None:
        self._replicas = replicas
        self._access = access or Access()
        self._closing = False
        self.last_error = ""
        """Why there is no connection; "" while there is one."""
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self.connected = asyncio.Event()
        """Set when the connection came (back); whoever waits for it clears it."""
        self._came_once = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Tell whether the bus answers now."""
        return self._client is not None and self._client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        """The streams.

        Raises:
            BusAway: There is no connection now.
        """
        if self._jetstream is None or not self.is_connected:
            raise BusAway("the bus cannot be reached")
        return self._jetstream

    @property
    def max_payload(self) -> int:
        """How many bytes a message may have, headers included."""
        return self._client.max_payload if self._client else 0

    async def apply_streams(self) -> list[str]:
        """Create the streams that are missing and change those that differ; return their names.

        One that the server refuses to change stays as it is, which is said.
        """
        wanted = tomllib.loads(STREAMS.read_text(encoding="utf-8"))
        for name, described in wanted.items():
            config = self._config(name, described)
            try:
                await self.jetstream.stream_info(name)
            except NotFoundError:
                await self.jetstream.add_stream(config)
                continue
            try:
                await self.jetstream.update_stream(config)
            except APIError as error:
                logger().error("stream not changed", stream=name, error=str(error))
        return list(wanted)

    async def keep_connected(self, url: str) -> None:
        """Connect, and connect anew whenever the client gave up; nats-py does so at some errors."""
        while True:
            if self._client is None or self._client.is_closed:
                try:
                    await self._connect(url)
                except (OSError, ValueError, nats.errors.Error) as error:
                    await self._failed(error)
            await asyncio.sleep(RECONNECT_S)

    async def _connect(self, url: str) -> None:
        self._client = await nats.connect(
            [server.strip() for server in url.split(",")],
            max_reconnect_attempts=NO_LIMIT,
            reconnect_time_wait=RECONNECT_S,
            reconnected_cb=self._came,
            disconnected_cb=self._went,
            error_cb=self._failed,
            ping_interval=5,
            max_outstanding_pings=2,
            **self._access.options(),
        )
        self.last_error = ""
        self._jetstream = self._client.jetstream()
        self._came_once.set()
        self.connected.set()

    async def first_connection(self) -> None:
        """Wait until there has been a connection."""
        await self._came_once.wait()

    async def close(self) -> None:
        """Close the connection."""
        self._closing = True
        if self._client is not None:
            await self._client.close()

    async def _came(self) -> None:
        logger().info("bus is back")
        self.last_error = ""
        self.connected.set()

    async def _went(self) -> None:
        if not self._closing:
            logger().warning("bus went away")

    async def _failed(self, error: Exception) -> None:
        """Say once why there is no connection; nats-py tells it again with each try."""
        reason = f"{type(error).__name__}: {error}"
        if self.is_connected or reason == self.last_error:
            logger().debug("bus", error=reason)
            return
        self.last_error = reason
        logger().warning("bus cannot be reached", error=reason)

    def _config(self, name: str, described: dict[str, Any]) -> StreamConfig:
        return StreamConfig(
            name=name,
            description=described["description"],
            subjects=described["subjects"],
            max_age=described["max_age_s"],
            duplicate_window=described["duplicate_window_s"],
            storage=StorageType.FILE,
            num_replicas=self._replicas,
            allow_direct=True,
        )


@asynccontextmanager
async def open_bus(
    url: str, *, replicas: int = 1, access: Access | None = None
) -> AsyncIterator[Bus]:
    """Open the bus, whose servers' URLs are joined by commas; it need not be there yet."""
    bus = Bus(replicas, access)
    connecting = asyncio.create_task(bus.keep_connected(url))
    try:
        yield bus
    finally:
        connecting.cancel()
        with suppress(asyncio.CancelledError):
            await connecting
        await bus.close()


def bus_of(settings: BusSettings) -> AbstractAsyncContextManager[Bus]:
    """Open the bus that the settings say."""
    access = Access(settings.nats_seed_file, settings.nats_ca_file)
    return open_bus(settings.nats_url, replicas=settings.nats_replicas, access=access)
