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


def _applied(url: str, folder: Path, table: str) -> str:
    dbmate = str(Path(sys.executable).parent / "dbmate")
    place = ["--migrations-dir", str(folder), "--migrations-table", table, "--no-dump-schema"]
    command = [dbmate, "--url", url, *place, "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MigrationFailed((done.stderr or done.stdout).strip())
    return done.stdout.strip()
