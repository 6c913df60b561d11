"""Start the edge: Envoy, the pages and the gRPC server behind it; stop all together."""

import asyncio
import signal
import sys

from common.settings import load
from common.telemetry.logs import configure_logs, logger

from gateway.bootstrap import bootstrap
from gateway.contract import UpstreamUnknown, load_contract
from gateway.envoy_process import Envoy
from gateway.health import Health, HealthServicer, Upstreams
from gateway.http_server import served
from gateway.metrics_page import metrics_page
from gateway.own_grpc import own_grpc
from gateway.pages import Documents, pages
from gateway.routes import Routes
from gateway.settings import GatewaySettings


async def run(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code: 1 when Envoy ended by itself.

    Envoy is forked before gRPC and its threads begin, which a fork disturbs; it stops before
    them, so that it never misses what it asks.
    """
    stopping = _stop_signal()
    contract = load_contract(settings.upstreams)
    routes = Routes(contract)
    envoy = Envoy(settings)
    upstreams = Upstreams(settings.upstreams, settings.tls_folder)
    health = Health(upstreams, envoy.runs)
    async with (
        served(
            pages(routes, upstreams, health, Documents.of(contract, routes)),
            settings.pages_address,
        ),
        envoy.running(bootstrap(contract, routes, settings)),
        served(metrics_page(envoy.statistics), settings.metrics_address),
        upstreams,
        own_grpc(settings.grpc_address, contract, HealthServicer(contract, health, upstreams)),
    ):
        logger().info("serving", http=settings.http_address)
        code = await _until(stopping, envoy, health, settings)
        await envoy.stop()
    logger().info("stopped")
    return code


async def _until(
    stopping: asyncio.Event, envoy: Envoy, health: Health, settings: GatewaySettings
) -> int:
    ended = asyncio.create_task(envoy.ended())
    told = asyncio.create_task(stopping.wait())
    await asyncio.wait((ended, told), return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if ended.done():
        logger().error("envoy ended by itself", code=ended.result())
        return 1
    ended.cancel()
    health.drain()
    logger().info("draining", at_most_s=settings.drain_s)
    await envoy.leave(settings.leave_s)
    await envoy.drain(settings.drain_s)
    return 0


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping


def main() -> None:
    """Run the process."""
    settings = load(GatewaySettings)
    configure_logs(settings.log_level, "gateway")
    try:
        sys.exit(asyncio.run(run(settings)))
    except UpstreamUnknown as error:
        logger().error("wrong setting", upstreams=str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
