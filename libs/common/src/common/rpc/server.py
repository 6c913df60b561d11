"""The gRPC server of a service: start, be healthy, drain, stop."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from common.auth.keys import IssuerKeys
from common.auth.permissions import require_declared
from common.auth.tokens import Verifier
from common.caller import CALLER, SYSTEM
from common.rpc.health import Health, answering
from common.rpc.interceptor import CallInterceptor, Checks
from common.rpc.tls import server_credentials
from common.running import Background, cancelled, first_end, start_metrics, stop_signal
from common.settings import PREFIX, ServiceSettings, production_signs, refuse
from common.telemetry.logs import logger
from common.telemetry.traces import export_traces

MAX_MESSAGE_BYTES = 33 * 1024 * 1024
"""A 32 MiB upload and the fields around it."""
MAX_METADATA_BYTES = 64 * 1024
"""More than the edge lets pass: a token too long is refused as one, not by the transport."""
PROBE_EVERY_S = 0.5
Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Published:
    """A proto service: its full name and the function that adds its servicer to a server."""

    name: str
    add: Callable[[grpc.aio.Server], None]
    checked_by_operation: frozenset[str] = frozenset()
    """Methods whose operations check the proto's rules themselves, together with their own."""
    endless: frozenset[str] = frozenset()
    """Methods that stream until their caller has had enough."""
    read_by_operation: frozenset[str] = frozenset()
    """Methods of which not even the texts are looked at before, for they hold thousands."""

    def paths(self, methods: Iterable[str]) -> set[str]:
        """Return the methods as the wire names them."""
        return {f"/{self.name}/{method}" for method in methods}


async def serve(
    domain: str,
    published: Sequence[Published],
    settings: ServiceSettings,
    *,
    probe: Probe,
    background: Sequence[Background] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls in flight end.

    `probe` tells whether the service can work now (its database answers); health follows it,
    for each service and for "" overall, here and at `settings.health_address`. With
    `settings.tls_folder` only callers with a certificate of its authority get in. `background`
    runs meanwhile, such as the relay of events; when one of them fails, the process ends with
    its error. Returns when everything is closed.
    """
    verifier = verifier_of(settings)
    if settings.otlp_address:
        export_traces(domain, settings.otlp_address, settings.trace_ratio)
    stopping = stop_signal()
    server = build_server(domain, published, settings.max_call_s, verifier)
    told = Health([p.name for p in published])
    await told.live()
    told.add_to(server)
    _add_port(server, settings)
    metrics = start_metrics(settings.metrics_address)
    async with answering(told, settings.health_address):
        await server.start()
        # What was imported stays: a collection that walks it all takes longer than most calls.
        gc.collect()
        gc.freeze()
        logger().info("serving", grpc=settings.grpc_address, metrics=settings.metrics_address)
        watcher = asyncio.create_task(_watch(told, probe))
        CALLER.set(SYSTEM)  # of the tasks that follow; each call sets its own
        running = [asyncio.create_task(run()) for run in background]
        await first_end(stopping, running)
        logger().info("draining", at_most_s=settings.drain_s)
        await cancelled([watcher])
        await told.ready(able=False)
        await asyncio.sleep(settings.leave_s)
        await server.stop(settings.drain_s)
        await cancelled(running)
    metrics.close()
    logger().info("stopped")


def _add_port(server: grpc.aio.Server, settings: ServiceSettings) -> None:
    if settings.tls_folder is None:
        server.add_insecure_port(settings.grpc_address)
    else:
        server.add_secure_port(settings.grpc_address, server_credentials(settings.tls_folder))


def verifier_of(settings: ServiceSettings) -> Verifier | None:
    """Return what verifies callers' tokens; None when identity is switched off, which is said.

    Exits with 2 when the settings do not say whose tokens to believe.
    """
    if settings.identity == "off":
        signs = production_signs(os.environ)
        if signs:
            refuse([f"{PREFIX}IDENTITY: must not be off where {' and '.join(signs)} is set"])
        logger().warning("identity is off: everybody may call everything")
        return None
    if not settings.oidc_issuer:
        refuse([f"{PREFIX}OIDC_ISSUER: must be the URL of the issuer of callers' tokens"])
    keys = IssuerKeys(settings.oidc_issuer, settings.oidc_ca_file)
    return Verifier(keys, settings.oidc_audience, settings.oidc_groups_claim)


def build_server(
    domain: str,
    published: Sequence[Published],
    max_call_s: float = 120,
    verifier: Verifier | None = None,
) -> grpc.aio.Server:
    """Return a server with everything but a port and health; `serve` does the rest.

    Raises:
        PermissionUndeclared: An RPC declares no permission.
    """
    require_declared([p.name for p in published])
    checks = Checks(
        unchecked={path for p in published for path in p.paths(p.checked_by_operation)},
        unread={path for p in published for path in p.paths(p.read_by_operation)},
        endless={path for p in published for path in p.paths(p.endless)},
    )
    server = grpc.aio.server(
        interceptors=[CallInterceptor(domain, max_call_s, checks, verifier)],
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.so_reuseport", 0),
        ],
    )
    for service in published:
        service.add(server)
    names = (*(p.name for p in published), health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    return server


async def _watch(told: Health, probe: Probe) -> None:
    """Keep readiness at what the probe says."""
    while True:
        await told.ready(able=await probe())
        await asyncio.sleep(PROBE_EVERY_S)
