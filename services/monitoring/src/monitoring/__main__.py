"""Runs monitoring: `python -m monitoring`, or its commands `probe`, `migrate` and `reseal`."""

import sys
from collections.abc import Sequence
from functools import partial

import uvloop
from common.events.bus import bus_of
from common.events.consumer import Consumer
from common.events.relay import Relay
from common.postgres.database import database_of
from common.postgres.migrations import migrate_command
from common.rpc.server import serve
from common.settings import load
from common.telemetry.logs import configure_logs

from monitoring.api.servicer import published
from monitoring.commands import probe, reseal
from monitoring.events import circuits, districts, incidents, points, providers
from monitoring.operations.dependencies import Dependencies
from monitoring.operations.roll_up import run_roll_ups
from monitoring.operations.run_incidents import run_incidents
from monitoring.operations.run_notifier import run_notifier
from monitoring.operations.run_writer import run_writer
from monitoring.operations.show_figures import run_figures
from monitoring.operations.turn_circuits import run_circuits
from monitoring.operations.turn_maintenance import run_maintenance
from monitoring.settings import MigrationSettings, MonitoringSettings, ProberSettings


def main(words: Sequence[str]) -> int:
    """Run the command that the words name."""
    if list(words) == ["migrate"]:
        owner = load(MigrationSettings)
        return migrate_command(
            owner.migration_url, owner.migrations_folder, owner.database_password_file
        )
    if list(words) == ["probe"]:
        uvloop.run(probe(load(ProberSettings)))
        return 0
    if list(words) not in ([], ["reseal"]):
        sys.stderr.write("usage: python -m monitoring [probe | migrate | reseal]\n")
        return 2
    settings = load(MonitoringSettings)
    if words:
        return uvloop.run(reseal(settings))
    configure_logs(settings.log_level, "monitoring")
    uvloop.run(_serve(settings))
    return 0


async def _serve(settings: MonitoringSettings) -> None:
    keyring = settings.keyring()
    async with (
        database_of(settings, size=settings.database_connections) as database,
        bus_of(settings) as bus,
    ):
        needs = Dependencies(
            database,
            bus,
            kept_days=settings.kept_days,
            hourly_kept_days=settings.hourly_kept_days,
            keyring=keyring,
            networks=settings.notify_networks,
        )
        follow = circuits.follow_circuits(settings.default_check.draft(), needs.clock)
        await serve(
            "monitoring",
            [published(needs)],
            settings,
            probe=database.is_there,
            background=[
                Relay(database, bus, "MONITORING").run,
                Consumer(database, bus, points.INTEREST, points.keep_point).run,
                Consumer(database, bus, districts.INTEREST, districts.keep_district).run,
                Consumer(database, bus, providers.INTEREST, providers.keep_provider).run,
                Consumer(database, bus, circuits.INTEREST, follow).run,
                Consumer(database, bus, incidents.INTEREST, incidents.hearing(needs)).run,
                partial(run_writer, needs),
                partial(run_incidents, needs),
                partial(run_maintenance, needs),
                partial(run_circuits, needs),
                partial(run_roll_ups, needs),
                partial(run_notifier, needs),
                partial(run_figures, needs),
            ],
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
