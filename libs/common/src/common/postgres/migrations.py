"""Migrations: plain SQL, forward only, run by dbmate before the service starts."""

import subprocess
import sys
from pathlib import Path


class MigrationFailed(Exception):
    """dbmate could not apply a migration; its words are the message."""


def migrate(url: str, folder: Path) -> str:
    """Apply what is new in `folder` to the database and return dbmate's report.

    `url` is dbmate's form, `postgres://owner@host/name` or `postgres://owner@/name?socket=/dir`.

    Raises:
        MigrationFailed: A migration failed; those before it stay applied.
    """
    dbmate = str(Path(sys.executable).parent / "dbmate")
    options = ["--url", url, "--migrations-dir", str(folder), "--no-dump-schema"]
    command = [dbmate, *options, "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MigrationFailed((done.stderr or done.stdout).strip())
    return done.stdout.strip()
