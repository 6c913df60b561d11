"""Runs monitoring: `python -m monitoring`, or its commands `migrate` and `reseal`."""

import sys
from collections.abc import Sequence
from functools import partial

import uvloop
from common.caller import CALLER, SYSTEM
from common.errors import ServiceError
from common.events.bus import open_bus
from common.events.consumer import Consumer
from common.events.relay import Relay
from common.postgres.database import open_database
from common.postgres.migrations import migrate_command
from common.rpc.server import serve
from common.settings import load
from common.telemetry.logs import configure_logs

from monitoring.api.servicer import published
from monitoring.events import incidents
from monitoring.events.points import INTEREST, keep_point
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.reseal_routes import reseal_routes
from monitoring.operations.run_notifier import run_notifier
from monitoring.operations.run_writer import run_writer
from monitoring.settings import MonitoringSettings, OwnerSettings


def main(words: Sequence[str]) -> int:
    """Run the command that the words name."""
    if list(words) == ["migrate"]:
        owner = load(OwnerSettings)
        return migrate_command(owner.migration_url, owner.migrations_folder)
    if list(words) not in ([], ["reseal"]):
        sys.stderr.write("usage: python -m monitoring [migrate|reseal]\n")
        return 2
    settings = load(MonitoringSettings)
    if words:
        return uvloop.run(_reseal(settings))
    configure_logs(settings.log_level, "monitoring")
    uvloop.run(_serve(settings))
    return 0


async def _reseal(settings: MonitoringSettings) -> int:
    CALLER.set(SYSTEM)
    try:
        async with open_database(settings.database_url, size=1) as database:
            done = await reseal_routes(database, settings.keyring())
    except ServiceError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{done} notification routes were sealed anew\n")
    return 0


async def _serve(settings: MonitoringSettings) -> None:
    keyring = settings.keyring()
    async with (
        open_database(settings.database_url, size=settings.database_connections) as database,
        open_bus(settings.nats_url, replicas=settings.nats_replicas) as bus,
    ):
        needs = Dependencies(
            database,
            bus,
            kept_days=settings.kept_days,
            keyring=keyring,
            networks=settings.notify_networks,
        )
        await serve(
            "monitoring",
            [published(needs)],
            settings,
            probe=database.is_there,
            background=[
                Relay(database, bus, "MONITORING").run,
                Consumer(database, bus, INTEREST, keep_point).run,
                Consumer(database, bus, incidents.INTEREST, incidents.hearing(needs)).run,
                partial(run_writer, needs),
                partial(run_notifier, needs),
            ],
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
