"""The gateway's own gRPC channels to the services behind it."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
from common.certificates import CertificateFolder
from common.rpc.tls import channel_credentials

CLOSE_S = 2.0
# A service that comes back must be seen at once, so the pause between attempts stays short. A name
# may stand for several replicas; those that do not say SERVING are not asked.
OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    (
        "grpc.service_config",
        json.dumps(
            {
                "loadBalancingConfig": [{"round_robin": {}}],
                "healthCheckConfig": {"serviceName": ""},
            }
        ),
    ),
]


class Channels:
    """The channels to each service's addresses; opened anew when our certificate is another."""

    def __init__(
        self, addresses: Mapping[str, Sequence[str]], tls_folder: Path | None = None
    ) -> None:
        self._addresses = addresses
        self._certificates = CertificateFolder(tls_folder) if tls_folder else None
        self._open: dict[str, list[grpc.aio.Channel]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, upstream: str) -> list[grpc.aio.Channel]:
        """Return the channels to a service, one for each of its addresses; none if unknown."""
        if self._certificates is not None and self._certificates.changed():
            self._leave()
        if not self._open:
            self._open = {name: self._channels(name) for name in self._addresses}
        return self._open.get(upstream, [])

    async def close(self) -> None:
        """Close them all."""
        self._leave()
        await asyncio.gather(*self._closing)

    def _leave(self) -> None:
        """Close what is open, after the calls that are under way."""
        for channel in (one for channels in self._open.values() for one in channels):
            task = asyncio.create_task(channel.close(CLOSE_S))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._open = {}

    def _channels(self, upstream: str) -> list[grpc.aio.Channel]:
        return [self._channel(address) for address in self._addresses[upstream]]

    def _channel(self, address: str) -> grpc.aio.Channel:
        if self._certificates is None:
            return grpc.aio.insecure_channel(address, options=OPTIONS)
        credentials = channel_credentials(self._certificates.current)
        return grpc.aio.secure_channel(address, credentials, options=OPTIONS)
