"""The commands of `python -m monitoring` beside serving."""

import resource
import sys
from functools import partial

from common.caller import CALLER, SYSTEM
from common.errors import ServiceError
from common.events.bus import bus_of
from common.postgres.database import database_of
from common.running import run_worker
from common.telemetry.logs import configure_logs

from monitoring.operations.dependencies import Dependencies
from monitoring.operations.reseal_routes import reseal_routes
from monitoring.operations.run_prober import ProberOptions, run_prober
from monitoring.settings import MonitoringSettings, ProberSettings


async def reseal(settings: MonitoringSettings) -> int:
    """Seal all notification targets under the active key; return the exit code."""
    CALLER.set(SYSTEM)
    try:
        async with database_of(settings, size=1) as database:
            done = await reseal_routes(database, settings.keyring())
    except ServiceError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{done} notification routes were sealed anew\n")
    return 0


async def probe(settings: ProberSettings) -> None:
    """Run the prober until it is told to stop."""
    configure_logs(settings.log_level, "prober")
    allow_many_sockets()
    async with (
        database_of(settings, size=settings.database_connections) as database,
        bus_of(settings) as bus,
    ):
        options = ProberOptions(settings.probe_anchors, settings.stamp_port)
        work = partial(run_prober, Dependencies(database, bus), options)
        await run_worker(settings.metrics_address, [work], settings.health_address)


def allow_many_sockets() -> None:
    """Open as many sockets as the system lets this user: each check under way has its own."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
