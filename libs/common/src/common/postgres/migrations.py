"""Migrations: plain SQL, forward only, run by dbmate before the service starts."""

import subprocess
import sys
from pathlib import Path

CHASSIS = Path(__file__).with_name("migrations")
SERVICE_TABLE = "schema_migrations"


class MigrationFailed(Exception):
    """dbmate could not apply a migration; its words are the message."""


def migrate(url: str, folder: Path) -> str:
    """Apply the chassis' own migrations, then what is new in `folder`; return dbmate's report.

    `url` is dbmate's form, `postgres://owner@host/name` or `postgres://owner@/name?socket=/dir`.

    Raises:
        MigrationFailed: A migration failed; those before it stay applied.
    """
    done = [_applied(url, CHASSIS, "chassis_migrations"), _applied(url, folder, SERVICE_TABLE)]
    return "\n".join(filter(None, done))


def migrate_command(url: str, folder: Path) -> int:
    """Run `migrate` for a person or a job: say what was done; return the exit code."""
    try:
        report = migrate(url, folder)
    except MigrationFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{report or 'nothing to migrate'}\n")
    return 0


def _applied(url: str, folder: Path, table: str) -> str:
    dbmate = str(Path(sys.executable).parent / "dbmate")
    place = ["--migrations-dir", str(folder), "--migrations-table", table, "--no-dump-schema"]
    command = [dbmate, "--url", url, *place, "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MigrationFailed((done.stderr or done.stdout).strip())
    return done.stdout.strip()
