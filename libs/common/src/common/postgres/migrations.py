"""Migrations: plain SQL, forward only, run by dbmate before the service starts."""

import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from common.setting_kinds import read_secret

CHASSIS = Path(__file__).with_name("migrations")
SERVICE_TABLE = "schema_migrations"
IN_THE_WAY = ("(40P01)", "(55P03)")
"""A deadlock with whoever serves meanwhile, or a lock not had in time: undone as a whole."""
TRIES = 10
AGAIN_S = 1.0


class MigrationFailed(Exception):
    """dbmate could not apply a migration; its words are the message."""


def migrate(url: str, folder: Path, password_file: Path | None = None) -> str:
    """Apply the chassis' own migrations, then what is new in `folder`; return dbmate's report.

    `url` is dbmate's form, `postgres://owner@host/name` or `postgres://owner@/name?socket=/dir`;
    the file holds the owner's password when the URL has none.

    Raises:
        MigrationFailed: A migration failed; those before it stay applied.
        OSError: The password cannot be read.
    """
    if password_file is not None:
        url = _with_password(url, read_secret(password_file))
    done = [_applied(url, CHASSIS, "chassis_migrations"), _applied(url, folder, SERVICE_TABLE)]
    return "\n".join(filter(None, done))


def migrate_command(url: str, folder: Path, password_file: Path | None = None) -> int:
    """Run `migrate` for a person or a job: say what was done; return the exit code."""
    try:
        report = migrate(url, folder, password_file)
    except MigrationFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{report or 'nothing to migrate'}\n")
    return 0


def _applied(url: str, folder: Path, table: str) -> str:
    dbmate = str(Path(sys.executable).parent / "dbmate")
    words = [
        dbmate,
        "--migrations-dir",
        str(folder),
        "--migrations-table",
        table,
        "--no-dump-schema",
    ]
    words.append("migrate")
    # The URL may hold the password, and everybody may read the words of a command.
    environment = os.environ | {"DATABASE_URL": url}
    report = ""
    for tries in range(1, TRIES + 1):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        report += done.stdout
        if done.returncode == 0:
            return report.strip()
        said = done.stderr or done.stdout
        if tries == TRIES or not any(code in said for code in IN_THE_WAY):
            break
        time.sleep(AGAIN_S)
    raise MigrationFailed(_without_password(url, said.strip()))


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{place}"))


def _without_password(url: str, text: str) -> str:
    """Take the password out of what dbmate says: it repeats a URL that it cannot read."""
    password = urlsplit(url).netloc.rpartition("@")[0].partition(":")[2]
    for written in filter(None, (password, unquote(password))):
        text = text.replace(written, "***")
    return text
