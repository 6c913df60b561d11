"""Run the simulated network until SIGTERM or SIGINT: `python -m devstack.network`."""

import asyncio
import contextlib
import signal
import sys

from common.settings import load
from common.telemetry.logs import configure_logs, logger

from devstack.errors import PortBusy
from devstack.network.addresses import BLOCK
from devstack.network.following import Follower
from devstack.network.lines import Lines
from devstack.network.orders import Orders
from devstack.network.reflector import Reflector
from devstack.network.settings import NetworkSettings
from devstack.network.sites import read_sites


def main() -> int:
    """Run the process; exit with 1 when it cannot have its port."""
    settings = load(NetworkSettings)
    configure_logs(settings.log_level, "network")
    try:
        asyncio.run(_run(settings))
    except PortBusy as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _run(settings: NetworkSettings) -> None:
    lines = Lines(settings.seed)
    lines.lay(read_sites(settings.folder))
    reflector = Reflector(lines.delay_s)
    reflector.start(settings.port)
    logger().info("serving", addresses=str(BLOCK), port=settings.port, provenance="SIMULATED")
    follower = Follower(settings, lines, Orders(settings.folder))
    with contextlib.suppress(asyncio.CancelledError):
        await _until_told(asyncio.gather(follower.follow_orders(), follower.follow_inventory()))
    reflector.stop()


async def _until_told(work: asyncio.Future[tuple[None, None]]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await work


if __name__ == "__main__":
    sys.exit(main())
